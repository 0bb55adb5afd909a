// Hashes and verifies passwords: normalises the text, and limits the number of hashes in progress. Verifying for an
// unknown account takes as much time as for a known one. argon2.ts is responsible for the format of hashes, and
// policy.ts for the rules for new passwords.
import {
  areWithinBounds,
  hashArgon2,
  type PasswordParameters,
  readArgon2,
  type StoredHash,
  standInArgon2,
} from './argon2.ts';
import { createPermits } from './permits.ts';
import { normalisePassword } from './text.ts';

export type { PasswordParameters } from './argon2.ts';
export { PasswordQueueFull } from './permits.ts';

export interface Passwords {
  /**
   * The PHC string (argon2id) of a password that `judgePassword` accepts. Rejects with PasswordQueueFull when the queue
   * is full, and with a RangeError for a text that cannot be a password.
   */
  hash(password: string): Promise<string>;
  /**
   * Whether a password matches a stored hash. A `stored` that is null or of an unknown kind never matches, and takes
   * the time of a real verification. `needsRehash` is true for a correct password whose hash has other parameters or is
   * of another kind. Rejects with PasswordQueueFull when the queue is full.
   */
  verify(password: string, stored: string | null): Promise<{ matches: boolean; needsRehash: boolean }>;
  readonly waiting: number;
  readonly running: number;
}

export interface PasswordsOptions {
  parameters: PasswordParameters;
  /**
   * The number of hashes that run at the same time, about one for each core, because argon2 shares its threads with
   * asynchronous signatures.
   */
  concurrency: number;
  /** Hashes that may wait for their turn. */
  queueMax: number;
}

type ReadHash = (stored: string, wanted: PasswordParameters) => StoredHash | null;

// Each reader reads its own kind of string and returns null for any other.
const READERS: readonly ReadHash[] = [readArgon2];

function readStored(stored: string, wanted: PasswordParameters): StoredHash | null {
  for (const read of READERS) {
    const known = read(stored, wanted);
    if (known) return known;
  }
  return null;
}

// Two iterations over 19 MiB take about 50 ms. The result is the time that a full queue needs to become empty, rounded
// up to whole seconds, and at most a minute.
function drainSeconds({ parameters, concurrency, queueMax }: PasswordsOptions): number {
  const hashSeconds = (0.05 * parameters.memoryKiB * parameters.iterations) / (2 * 19_456);
  return Math.min(60, Math.max(1, Math.ceil((hashSeconds * queueMax) / concurrency)));
}

/**
 * Returns the functions that hash and verify, with one limit for the whole process. Throws a RangeError for parameters
 * beyond the limits.
 */
export function createPasswords(options: PasswordsOptions): Passwords {
  const { parameters, concurrency, queueMax } = options;
  if (!areWithinBounds(parameters)) throw new RangeError('the argon2 parameters are out of bounds');
  if (!Number.isInteger(concurrency) || concurrency < 1 || !(queueMax >= 0))
    throw new RangeError('the bounds on hashes in flight are out of range');
  const permits = createPermits(concurrency, queueMax, drainSeconds(options));
  const standIn = readArgon2(standInArgon2(parameters), parameters);
  if (!standIn) throw new RangeError('the stand-in hash is not readable');

  return {
    async hash(password) {
      const text = normalisePassword(password);
      if (text === null) throw new RangeError('the text cannot be a password');
      return permits.run(() => hashArgon2(text, parameters));
    },
    async verify(password, stored) {
      const text = normalisePassword(password);
      const known = text === null || stored === null ? null : readStored(stored, parameters);
      // The stand-in costs the same as a real hash, so an attacker cannot find out which accounts exist.
      const hit = await permits.run(() => (known ?? standIn).matches(text ?? ''));
      const matches = known !== null && hit;
      return { matches, needsRehash: matches && !known.current };
    },
    get waiting() {
      return permits.waiting;
    },
    get running() {
      return permits.running;
    },
  };
}
