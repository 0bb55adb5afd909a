// The data keys of a process. The ring follows the files of its folder. A key whose file has gone seals no more values.
// It still opens values until the process ends, because no other key can open them.
import { LoopStopped } from '../../base/loops/loop.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import { type DataKeys, DataKeysRefused } from '../../base/secrets/data-keys.ts';
import type { LookupKey } from '../../base/secrets/lookup.ts';
import { type DataKey, DataKeyMissing } from '../../base/secrets/sealing.ts';
import { createFindings, openKeyWatch } from '../keys/watch.ts';
import { type DataFolderContents, dataKeyFolder, type FiledKey, LOOKUP_FILE, sealingKeyOf } from './folder.ts';

export interface DataKeyRing extends DataKeys {
  /** The key that seals at `at`. Raises DataKeyMissing if no key may seal then. */
  sealingKeyAt(at: Date): FiledKey;
  /** The keys whose files are there, oldest first. */
  keys(): readonly FiledKey[];
  /** Raises DataKeysRefused, which says what to do, unless values can be sealed and looked up now. */
  assertUsable(): void;
  /** Reads the files regularly until `close`. Does not keep the process alive. */
  watch(): void;
  close(): Promise<void>;
}

export interface DataKeyRingOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly passphrase?: string | undefined;
  readonly rescanSeconds?: number | undefined;
}

/** Opens the ring and reads its folder once. Raises nothing for a folder without keys: see `assertUsable`. */
export async function openDataKeys(options: DataKeyRingOptions): Promise<DataKeyRing> {
  const ring = new LiveDataKeys(options);
  await ring.reload();
  return ring;
}

class LiveDataKeys implements DataKeyRing {
  readonly #options: DataKeyRingOptions;
  readonly #watch;
  #contents: DataFolderContents = { keys: [], lookup: undefined, refused: [] };
  #problem: string | undefined;
  readonly #opened = new Map<string, DataKey>();
  readonly #report;

  constructor(options: DataKeyRingOptions) {
    const { directory, passphrase, log, rescanSeconds = 30 } = options;
    this.#options = options;
    this.#report = createFindings((finding) => log.warn({ ring: 'data', finding }, 'data key folder'));
    const folder = dataKeyFolder(directory, passphrase);
    this.#watch = openKeyWatch({
      name: 'data keys',
      directory,
      rescanSeconds,
      read: async () => this.#apply(await folder.read()),
      log,
    });
  }

  sealingKey(): DataKey {
    return this.sealingKeyAt(this.#options.clock.now());
  }

  sealingKeyAt(at: Date): FiledKey {
    const key = sealingKeyOf(this.#contents.keys, at);
    if (!key) throw new DataKeyMissing(`No data key in ${this.#options.directory} can seal`);
    return key;
  }

  find(id: string): DataKey | undefined {
    return this.#opened.get(id);
  }

  lookupKey(): LookupKey {
    const { lookup } = this.#contents;
    if (!lookup) throw new DataKeyMissing(`${LOOKUP_FILE} is missing in ${this.#options.directory}`);
    return lookup.secret;
  }

  hasLookupKey(): boolean {
    return this.#contents.lookup !== undefined;
  }

  keys(): readonly FiledKey[] {
    return this.#contents.keys;
  }

  async reload(): Promise<void> {
    try {
      await this.#watch.readNow();
      this.#problem = undefined;
    } catch (error) {
      if (error instanceof LoopStopped) return;
      this.#problem = (error as Error).message;
      this.#options.log.error({ ring: 'data' }, 'reading the data keys failed: the keys stay as they are');
    }
  }

  assertUsable(): void {
    const { directory, clock } = this.#options;
    const { keys, lookup, refused } = this.#contents;
    const canSeal = sealingKeyOf(keys, clock.now()) !== undefined;
    if (canSeal && lookup) return;
    const [first] = keys;
    throw new DataKeysRefused(
      [
        `The keys of personal data are not complete: looked in ${directory}.`,
        ...(this.#problem === undefined ? [] : [`Problem: ${this.#problem}.`]),
        ...refused.map(({ file, reason }) => `Refused ${JSON.stringify(file)}: ${reason}.`),
        ...(canSeal
          ? []
          : [first ? `The earliest key seals only from ${first.activeFrom.toISOString()} on.` : 'No key can seal.']),
        ...(lookup ? [] : [`${LOOKUP_FILE} is missing.`]),
        'For a new installation, make the keys by `tenantry keys generate`. If there is data already, put the folder back:',
        'without these keys, nobody can read the personal data in the database.',
      ].join('\n'),
    );
  }

  watch(): void {
    this.#watch.start();
  }

  close(): Promise<void> {
    return this.#watch.close();
  }

  #apply(contents: DataFolderContents): void {
    const { log } = this.#options;
    const before = new Set(this.#contents.keys.map(({ id }) => id));
    const isFirst = this.#opened.size === 0;
    // A lookup key never changes. A folder that lacks its file for a moment must not make every sign-in fail.
    this.#contents = { ...contents, lookup: this.#contents.lookup ?? contents.lookup };
    for (const key of contents.keys) {
      if (!isFirst && !before.has(key.id)) log.info({ ring: 'data', file: key.file, id: key.id }, 'data key added');
      this.#opened.set(key.id, key);
    }
    const there = new Set(contents.keys.map(({ id }) => id));
    this.#report([
      ...contents.refused.map(({ file, reason }) => `${file} is refused: ${reason}`),
      ...[...this.#opened.keys()]
        .filter((id) => !there.has(id))
        .map(
          (id) => `the file of the key ${id} has gone: unless the key was pruned, put it back before the next start`,
        ),
      ...(contents.lookup || !this.#contents.lookup
        ? []
        : [`${LOOKUP_FILE} has gone: put it back before the next start`]),
    ]);
  }
}
