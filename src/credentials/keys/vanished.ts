// Decides when a key whose file is missing counts as revoked for good. A file that is missing for a moment, or whose
// folder cannot be read, is not a revocation. live-ring.ts refuses such a key as long as its file is missing.
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';

/**
 * A file counts as deleted once it has been missing from every reading for this long. A reading that proves nothing
 * starts the time again. Readings are 500 ms apart.
 */
const GONE_MS = 900;

export interface GoneKey {
  readonly kid: string;
  /** The file that held the key. */
  readonly file: string;
}

/** What a reading of the files found. */
export interface Found {
  /** False if the files could not all be listed: then nothing is known about a missing file. */
  readonly isComplete: boolean;
  readonly has: (kid: string) => boolean;
  /** The files that cannot be used. A key may still be in the file that held it. */
  readonly refused: readonly string[];
  /**
   * Whether a key is left that can sign. Without one, the files are probably not mounted, and a revocation would
   * prolong the outage.
   */
  readonly canSign: boolean;
}

export interface VanishedKeys {
  /** Begins to observe a key whose file is missing and whose tokens may still live. */
  add(key: GoneKey): void;
  /** Takes the result of a reading. Does not wait for a revocation. */
  take(found: Found): void;
}

interface Missing extends GoneKey {
  since: number;
  isTelling: boolean;
  hasFailed: boolean;
}

/**
 * Creates an empty record of keys whose files are missing. `revoke` makes the revocation known to every process. After
 * a failure, it is called again until it succeeds or the file is back.
 */
export function createVanishedKeys(options: {
  readonly revoke: (key: GoneKey) => Promise<unknown>;
  readonly log: Pick<Log, 'warn'>;
  readonly now?: (() => number) | undefined;
}): VanishedKeys {
  const { revoke, log, now = monotonicMs } = options;
  const missing = new Map<string, Missing>();

  async function tell(key: Missing): Promise<void> {
    key.isTelling = true;
    const { kid, file } = key;
    try {
      await revoke({ kid, file });
      if (missing.get(kid) === key) missing.delete(kid);
    } catch (error) {
      if (!key.hasFailed)
        log.warn({ kid, file, err: error }, 'the revocation of a key cannot be recorded: it is tried again');
      key.hasFailed = true;
    } finally {
      key.isTelling = false;
      key.since = now(); // the next attempt waits for GONE_MS again
    }
  }

  return {
    add({ kid, file }) {
      missing.set(kid, { kid, file, since: now(), isTelling: false, hasFailed: false });
    },
    take({ isComplete, has, refused, canSign }) {
      for (const key of missing.values()) {
        if (has(key.kid)) missing.delete(key.kid);
        else if (!isComplete || !canSign || refused.includes(key.file)) key.since = now();
        else if (!key.isTelling && now() - key.since >= GONE_MS) void tell(key);
      }
    },
  };
}
