// A key ring in memory: answers which key signs, verifies and is published, and follows the looks at its key files.
// Opening one is ring.ts' matter, files are folder.ts', order and retirement timeline.ts'.
import { dirname } from 'node:path';
import { LoopStopped } from '../../base/loops/loop.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { RingKey } from './file.ts';
import type { KeyFolder, Look } from './folder.ts';
import { type Lookout, openLookout } from './lookout.ts';
import { arrange, type PlacedKey, signerAt, verifiesAt } from './timeline.ts';

export type KeyUse = 'access' | 'refresh';

export interface KeyRing {
  /** The key that signs at that instant: the newest whose instant has passed. Throws NoSigningKey if there is none. */
  signingKeyAt(at: Date): RingKey;
  /** The key of an RFC 7638 thumbprint; undefined if unknown or retired at `at`. A future key verifies: clocks differ. */
  verificationKey(kid: string, at: Date): RingKey | undefined;
  /** Keys to publish at `at`, oldest first: all but the retired ones. */
  published(at: Date): RingKey[];
  /** Every key of the set, whatever the time; oldest first. */
  keys(): RingKey[];
  /** Reads every file again; resolves when done. Never rejects: what is wrong is in the log. */
  reload(): Promise<void>;
  /** True for a key that the ring has held since it was opened, also when its file is gone by now. */
  hasHeld(kid: string): boolean;
  /** From now on leaves aside every key that the other ring has held, and says so in the log. */
  leaveAside(other: KeyRing): void;
  /** Goes up at every change of the set. */
  readonly version: number;
  /** Called after every change of the set: whoever caches verified tokens must drop what a removed key signed. */
  onChange(listener: () => void): void;
  /** Stops looking at the files. The keys stay usable. Resolves when no look is under way any more. */
  close(): Promise<void>;
}

/** What a ring writes to. No key material is ever among the fields. */
type RingLog = Pick<Log, 'info' | 'warn' | 'error'>;

export interface KeyRingOptions {
  /** Either a folder of keys … */
  readonly directory?: string | undefined;
  /** … or a single PEM that signs from the epoch on. */
  readonly file?: string | undefined;
  readonly use: KeyUse;
  /** How long a key goes on verifying after its successor took over. */
  readonly retentionSeconds: number;
  readonly clock: Clock;
  readonly log: RingLog;
  /** Opens encrypted PEMs. */
  readonly passphrase?: string | undefined;
  readonly rescanSeconds?: number | undefined;
}

/** No key's instant has passed. */
export class NoSigningKey extends Error {
  override readonly name = 'NoSigningKey';
}

/** The ring of a folder; empty and deaf until `open` and `watch`. */
export class LiveRing implements KeyRing {
  version = 0;
  readonly #options: KeyRingOptions;
  readonly #folder: KeyFolder;
  readonly #listeners: (() => void)[] = [];
  readonly #seenAt = new Map<string, number>();
  #placed: readonly PlacedKey[] = [];
  #byKid: ReadonlyMap<string, PlacedKey> = new Map();
  readonly #held = new Set<string>();
  #other: KeyRing | undefined;
  #reported = new Set<string>();
  #seen: Look | undefined;
  readonly #lookout: Lookout;
  #closed = false;

  constructor(options: KeyRingOptions, folder: KeyFolder) {
    this.#options = options;
    this.#folder = folder;
    const { use, directory = '', file, rescanSeconds = 30, log } = options;
    this.#lookout = openLookout({
      name: `${use} keys`,
      directory: file === undefined ? directory : dirname(file),
      rescanSeconds,
      look: (thorough) => this.#look(thorough),
      log,
    });
  }

  signingKeyAt(at: Date): RingKey {
    const signer = signerAt(this.#placed, at);
    if (!signer) throw new NoSigningKey(`No ${this.#options.use} key may sign at this instant`);
    return signer.key;
  }

  verificationKey(kid: string, at: Date): RingKey | undefined {
    const found = this.#byKid.get(kid);
    return found && verifiesAt(found, at) ? found.key : undefined;
  }

  published(at: Date): RingKey[] {
    return this.#placed.filter((placed) => verifiesAt(placed, at)).map(({ key }) => key);
  }

  keys(): RingKey[] {
    return this.#placed.map(({ key }) => key);
  }

  hasHeld(kid: string): boolean {
    return this.#held.has(kid);
  }

  leaveAside(other: KeyRing): void {
    this.#other = other;
  }

  async reload(): Promise<void> {
    try {
      await this.#lookout.lookNow();
    } catch (error) {
      if (error instanceof LoopStopped) return;
      this.#options.log.error(
        { ring: this.#options.use },
        'looking at the key files failed: the keys stay as they are',
      );
    }
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#lookout.close();
  }

  /** Looks for the first time; gives what was seen, undefined for nothing. */
  async open(): Promise<Look | undefined> {
    await this.reload();
    return this.#seen;
  }

  watch(): void {
    this.#lookout.start();
  }

  async #look(thorough: boolean): Promise<void> {
    const look = await this.#folder.look(thorough).catch((error: Error) => {
      throw new Error(error.name); // no message comes into the log that might hold what was read
    });
    if (this.#closed) return;
    this.#seen = look;
    if (look) this.#apply(look);
    else this.#reportOnce(['the folder cannot be read at the moment: the keys stay as they are']);
  }

  #apply(look: Look): void {
    const { log, use, retentionSeconds, clock } = this.#options;
    const opening = this.version === 0;
    // The ring that had a key first keeps it: a copy must neither be published nor sign in a second place, and a mistake
    // with a file must not end what the first ring has signed.
    const foreign = look.keys.filter(({ kid }) => this.#other?.hasHeld(kid));
    const own = look.keys.filter((key) => !foreign.includes(key));
    for (const { kid } of own) {
      // At the start nothing is known of arrivals; the instants alone count, as they do at every other replica.
      const seen = opening ? Number.NEGATIVE_INFINITY : clock.now().getTime();
      if (!this.#seenAt.has(kid)) this.#seenAt.set(kid, seen);
    }
    const { placed, repeated } = arrange(own, retentionSeconds, (kid) => this.#seenAt.get(kid) ?? 0);
    for (const { file, reason, fresh } of look.refused) {
      if (fresh) log.warn({ ring: use, file, reason }, 'key file refused');
    }
    this.#reportOnce([
      ...foreign.map(
        ({ file, kid }) => `${file} holds the key ${kid} of the other ring: it is left aside, make another`,
      ),
      ...repeated.map(({ file, kid }) => `${file} holds the key ${kid}, which an earlier instant already has`),
      ...(look.problem === undefined ? [] : [look.problem]),
    ]);
    if (!opening && fingerprint(placed) === fingerprint(this.#placed)) return;
    this.#replace(placed, opening);
  }

  #replace(placed: readonly PlacedKey[], opening: boolean): void {
    const { log, use } = this.#options;
    const before = this.#byKid;
    this.#placed = placed;
    this.#byKid = new Map(placed.map((each) => [each.key.kid, each]));
    this.version += 1;
    for (const { key } of placed) {
      this.#held.add(key.kid);
      const fields = { ring: use, file: key.file, kid: key.kid, activeFrom: key.activeFrom.toISOString() };
      if (!opening && !before.has(key.kid)) log.info(fields, 'key added');
    }
    for (const [kid, { key }] of before) {
      if (this.#byKid.has(kid)) continue;
      this.#seenAt.delete(kid);
      log.warn({ ring: use, file: key.file, kid }, 'key removed: what it signed is refused from now on');
    }
    if (placed.length === 0 && !opening) {
      log.error({ ring: use }, 'no usable key is left: nothing can be signed or verified');
    }
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch {
        log.error({ ring: use }, 'a listener to key changes failed');
      }
    }
  }

  #reportOnce(findings: readonly string[]): void {
    for (const finding of findings) {
      if (!this.#reported.has(finding)) this.#options.log.warn({ ring: this.#options.use, finding }, 'key folder');
    }
    this.#reported = new Set(findings);
  }
}

function fingerprint(placed: readonly PlacedKey[]): string {
  return placed.map(({ key }) => `${key.kid} ${key.activeFrom.getTime()} ${key.file}`).join('\n');
}
