// A key ring in memory. It returns the key that signs, the keys that verify and the keys to publish, and it follows its
// key files. ring.ts opens a ring, folder.ts reads the files, timeline.ts orders and retires keys.
import { dirname } from 'node:path';
import { LoopStopped } from '../../base/loops/loop.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { RingKey } from './file.ts';
import type { FolderContents, KeyFolder } from './folder.ts';
import { arrange, type DatedKey, signerAt, verifiesAt } from './timeline.ts';
import { createVanishedKeys, type GoneKey, type VanishedKeys } from './vanished.ts';
import { createFindings, type KeyWatch, openKeyWatch } from './watch.ts';

export type KeyUse = 'access' | 'refresh';

export interface KeyRing {
  /**
   * The key that signs at `at`: the newest key whose activation time has passed. Throws NoSigningKey if there is none.
   */
  signingKeyAt(at: Date): RingKey;
  /**
   * The key of an RFC 7638 thumbprint; undefined if unknown or retired at `at`. A future key also verifies, because
   * clocks differ.
   */
  verificationKey(kid: string, at: Date): RingKey | undefined;
  /** Keys to publish at `at`, oldest first: all but the retired ones. */
  published(at: Date): RingKey[];
  /** Every key of the set, whatever the time, oldest first. */
  keys(): RingKey[];
  /** Reads every file again. Never rejects: failures are logged. */
  reload(): Promise<void>;
  /**
   * Ignores the key from now on, even if its file is there or comes back, and logs what to do about the file. A
   * repeated call changes nothing.
   */
  revoke(kid: string): void;
  /**
   * True for a key that the ring has had at any time since it was opened, even if the file of the key has been deleted.
   */
  hasHeld(kid: string): boolean;
  /** Ignores from now on every key that the other ring has ever had, and logs this. */
  excludeKeysOf(other: KeyRing): void;
  /** A number that rises with every change of the set of keys. */
  readonly version: number;
  /** Calls the listener after every change of the set. A cache of verified tokens must drop tokens of a removed key. */
  onChange(listener: () => void): void;
  /**
   * Stops reading the files. The keys stay usable. Resolves when no reading is under way, and after about a second at
   * the latest.
   */
  close(): Promise<void>;
}

/** The log of a ring. No field ever has key material. */
type RingLog = Pick<Log, 'info' | 'warn' | 'error'>;

export interface KeyRingOptions {
  /** A folder of keys. Absent if the ring has a single PEM file. */
  readonly directory?: string | undefined;
  /** A single PEM file, whose key signs from 1970 on. Absent if the ring has a folder. */
  readonly file?: string | undefined;
  readonly use: KeyUse;
  /** How long a key continues to verify after its successor has taken over. */
  readonly retentionSeconds: number;
  readonly clock: Clock;
  readonly log: RingLog;
  /** Opens encrypted PEMs. */
  readonly passphrase?: string | undefined;
  readonly rescanSeconds?: number | undefined;
  /**
   * Called once for a key whose file has been deleted while its tokens may still live and another key can sign. Called
   * again after a rejection.
   */
  readonly onGone?: ((key: GoneKey) => Promise<unknown>) | undefined;
  /** A clock that never steps, in ms. Tests set another one. */
  readonly steadyMs?: (() => number) | undefined;
}

/** Raised when the ring has no key whose activation time has passed. */
export class NoSigningKey extends Error {
  override readonly name = 'NoSigningKey';
}

/**
 * The ring of a folder or of a single file. The ring is empty until `open` has read the files. It follows the files
 * once `watch` has been called.
 */
export class LiveRing implements KeyRing {
  version = 0;
  readonly #options: KeyRingOptions;
  readonly #folder: KeyFolder;
  readonly #listeners: (() => void)[] = [];
  readonly #seenAt = new Map<string, number>();
  #dated: readonly DatedKey[] = [];
  #byKid: ReadonlyMap<string, DatedKey> = new Map();
  readonly #held = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #vanished: VanishedKeys;
  #other: KeyRing | undefined;
  readonly #report;
  #seen: FolderContents | undefined;
  readonly #watch: KeyWatch;
  #closed = false;

  constructor(options: KeyRingOptions, folder: KeyFolder) {
    this.#options = options;
    this.#folder = folder;
    const { use, directory = '', file, rescanSeconds = 30, log, onGone = async () => undefined } = options;
    this.#report = createFindings((finding) => log.warn({ ring: use, finding }, 'key folder'));
    this.#vanished = createVanishedKeys({ revoke: onGone, log, now: options.steadyMs });
    this.#watch = openKeyWatch({
      name: `${use} keys`,
      directory: file === undefined ? directory : dirname(file),
      rescanSeconds,
      read: (thorough) => this.#read(thorough),
      log,
    });
  }

  signingKeyAt(at: Date): RingKey {
    const signer = signerAt(this.#dated, at);
    if (!signer) throw new NoSigningKey(`No ${this.#options.use} key may sign at this instant`);
    return signer.key;
  }

  verificationKey(kid: string, at: Date): RingKey | undefined {
    const found = this.#byKid.get(kid);
    return found && verifiesAt(found, at) ? found.key : undefined;
  }

  published(at: Date): RingKey[] {
    return this.#dated.filter((dated) => verifiesAt(dated, at)).map(({ key }) => key);
  }

  keys(): RingKey[] {
    return this.#dated.map(({ key }) => key);
  }

  revoke(kid: string): void {
    if (this.#revoked.has(kid)) return;
    this.#revoked.add(kid);
    if (this.#seen && this.version > 0) this.#apply({ ...this.#seen, refused: [] });
  }

  hasHeld(kid: string): boolean {
    return this.#held.has(kid);
  }

  excludeKeysOf(other: KeyRing): void {
    this.#other = other;
  }

  async reload(): Promise<void> {
    try {
      await this.#watch.readNow();
    } catch (error) {
      if (error instanceof LoopStopped) return;
      this.#options.log.error({ ring: this.#options.use }, 'reading the key files failed: the keys stay as they are');
    }
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#watch.close();
  }

  /** Reads the folder for the first time. Returns its contents, or undefined if they cannot be read. */
  async open(): Promise<FolderContents | undefined> {
    await this.reload();
    return this.#seen;
  }

  watch(): void {
    this.#watch.start();
  }

  async #read(thorough: boolean): Promise<void> {
    const contents = await this.#folder.read(thorough).catch((error: Error) => {
      throw new Error(error.name); // the message could contain a part of a key file
    });
    if (this.#closed) return;
    if (!contents) return this.#report(['the folder cannot be read at the moment: the keys stay as they are']);
    this.#seen = contents;
    this.#apply(contents);
    this.#vanished.take({
      isComplete: contents.problem === undefined,
      has: (kid) => this.#revoked.has(kid) || contents.keys.some((key) => key.kid === kid),
      refused: contents.refused.map(({ file }) => file),
      canSign: this.#canSign(),
    });
  }

  #canSign(): boolean {
    return signerAt(this.#dated, this.#options.clock.now()) !== undefined;
  }

  #apply(contents: FolderContents): void {
    const { log, use, retentionSeconds, clock } = this.#options;
    const opening = this.version === 0;
    // If both rings have a key, the ring that had the key first keeps it. A copied file must not publish a refresh key
    // or let a refresh key sign access tokens. It also must not invalidate tokens that the first ring has signed.
    const foreign = contents.keys.filter(({ kid }) => this.#other?.hasHeld(kid));
    const revoked = contents.keys.filter(({ kid }) => this.#revoked.has(kid));
    const own = contents.keys.filter((key) => !foreign.includes(key) && !revoked.includes(key));
    for (const { kid } of own) {
      // At the start it is unknown when a key arrived. So only its activation time counts.
      const seen = opening ? Number.NEGATIVE_INFINITY : clock.now().getTime();
      if (!this.#seenAt.has(kid)) this.#seenAt.set(kid, seen);
    }
    const { dated, repeated } = arrange(own, retentionSeconds, (kid) => this.#seenAt.get(kid) ?? 0);
    for (const { file, reason, fresh } of contents.refused) {
      if (fresh) log.warn({ ring: use, file, reason }, 'key file refused');
    }
    this.#report([
      ...foreign.map(({ file, kid }) => `${file} holds the key ${kid} of the other ring: it is ignored, make another`),
      ...revoked.map(({ file, kid }) => `${file} holds the revoked key ${kid}: it is ignored. ${cureFor(kid)}`),
      ...repeated.map(({ file, kid }) => `${file} holds the key ${kid}, which an earlier file already has`),
      ...(contents.problem === undefined ? [] : [contents.problem]),
    ]);
    if (!opening && fingerprint(dated) === fingerprint(this.#dated)) return;
    this.#replace(dated, opening);
  }

  #replace(dated: readonly DatedKey[], opening: boolean): void {
    const { log, use, clock } = this.#options;
    const before = this.#byKid;
    this.#dated = dated;
    this.#byKid = new Map(dated.map((each) => [each.key.kid, each]));
    this.version += 1;
    for (const { key } of dated) {
      this.#held.add(key.kid);
      const fields = { ring: use, file: key.file, kid: key.kid, activeFrom: key.activeFrom.toISOString() };
      if (!opening && !before.has(key.kid)) log.info(fields, 'key added');
    }
    for (const [kid, gone] of before) {
      if (this.#byKid.has(kid)) continue;
      this.#seenAt.delete(kid);
      const { file } = gone.key;
      log.warn({ ring: use, file, kid }, 'key removed: what it signed is refused from now on');
      // The tokens of a retired key have expired, so its removal revokes nothing.
      if (!this.#revoked.has(kid) && verifiesAt(gone, clock.now())) this.#vanished.add({ kid, file });
    }
    if (dated.length === 0 && !opening) {
      log.error({ ring: use }, 'no usable key is left: nothing can be signed or verified');
    } else if (!opening && !this.#canSign()) {
      log.error({ ring: use }, 'no key is left that can sign: nobody can sign in or refresh');
    }
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch {
        log.error({ ring: use }, 'a listener to key changes failed');
      }
    }
  }
}

function cureFor(kid: string): string {
  return `Run tenantry keys revoke ${kid}, which removes the file and makes another key if none is left to sign`;
}

function fingerprint(dated: readonly DatedKey[]): string {
  return dated.map(({ key }) => `${key.kid} ${key.activeFrom.getTime()} ${key.file}`).join('\n');
}
