// This file is responsible for argon2 and its PHC strings (RFC 9106): it makes new strings, reads stored strings within
// limits, and makes the stand-in that is checked for an unknown account. hashing.ts limits how many hashes run at the
// same time, and normalises the text.
import { randomBytes } from 'node:crypto';
import { argon2id, hash, verify } from 'argon2';

export interface PasswordParameters {
  memoryKiB: number;
  iterations: number;
  parallelism: number;
}

/** A stored hash that can be checked. */
export interface StoredHash {
  /** Whether the text is the password. The work of one hash is done outside of the event loop. */
  matches(text: string): Promise<boolean>;
  /**
   * False for a hash that should be replaced by a new hash, because its parameters or its kind are not the current
   * ones.
   */
  readonly current: boolean;
}

// A stored string decides how much memory and time its check takes. A string beyond these limits is not checked.
const MEMORY_KIB_MAX = 256 * 1024;
const ITERATIONS_MAX = 20;
const PARALLELISM_MAX = 16;
const STORED_LENGTH_MAX = 512;

const VERSION = '19';
const SALT_BYTES = 16;
const DIGEST_BYTES = 32;

const PHC =
  /^\$(argon2id|argon2i|argon2d)\$v=(16|19)\$([mtp]=\d{1,9}),([mtp]=\d{1,9}),([mtp]=\d{1,9})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Whether parameters are within the limits of `readArgon2` and of argon2 itself (RFC 9106 section 3.1). */
export function areWithinBounds({ memoryKiB, iterations, parallelism }: PasswordParameters): boolean {
  const inside = (value: number, min: number, max: number) => Number.isInteger(value) && value >= min && value <= max;
  return (
    inside(parallelism, 1, PARALLELISM_MAX) &&
    inside(iterations, 1, ITERATIONS_MAX) &&
    inside(memoryKiB, 8 * parallelism, MEMORY_KIB_MAX)
  );
}

/** The PHC string of a text with a new salt. Rejects when memory runs out. */
export async function hashArgon2(text: string, parameters: PasswordParameters): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const digest = await hash(text, {
    raw: true,
    type: argon2id,
    hashLength: DIGEST_BYTES,
    memoryCost: parameters.memoryKiB,
    timeCost: parameters.iterations,
    parallelism: parameters.parallelism,
    salt,
  });
  return phcString(parameters, salt, digest);
}

/**
 * A PHC string that belongs to no password. Checking it costs the same as checking a real hash with these parameters.
 */
export function standInArgon2(parameters: PasswordParameters): string {
  return phcString(parameters, Buffer.alloc(SALT_BYTES, 0x5a), Buffer.alloc(DIGEST_BYTES, 0x5a));
}

/** Reads an argon2 PHC string. Null for another kind of string, a malformed one, or one beyond the limits. */
export function readArgon2(stored: string, wanted: PasswordParameters): StoredHash | null {
  if (stored.length > STORED_LENGTH_MAX) return null;
  const fields = PHC.exec(stored);
  if (!fields) return null;
  const [, kind, version, first, second, third, salt = '', digest = ''] = fields;
  const own = readParameters([first, second, third]);
  const saltBytes = unpaddedBytes(salt);
  const digestBytes = unpaddedBytes(digest);
  // A digest of a few bytes would match many passwords by chance.
  if (!areWithinBounds(own) || saltBytes < 8 || digestBytes < 16) return null;
  return {
    matches: (text) => verify(stored, text),
    current:
      kind === 'argon2id' &&
      version === VERSION &&
      own.memoryKiB === wanted.memoryKiB &&
      own.iterations === wanted.iterations &&
      own.parallelism === wanted.parallelism &&
      saltBytes >= SALT_BYTES &&
      digestBytes === DIGEST_BYTES,
  };
}

// The reference decoder reads only the order m, t, p. Some libraries write another order.
function phcString({ memoryKiB, iterations, parallelism }: PasswordParameters, salt: Buffer, digest: Buffer): string {
  const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');
  return `$argon2id$v=${VERSION}$m=${memoryKiB},t=${iterations},p=${parallelism}$${base64(salt)}$${base64(digest)}`;
}

/** Reads the parameters in any order. A missing parameter is NaN, which is outside of all limits. */
function readParameters(pairs: (string | undefined)[]): PasswordParameters {
  const value = (name: string) => Number(pairs.find((pair) => pair?.startsWith(name))?.slice(2));
  return { memoryKiB: value('m'), iterations: value('t'), parallelism: value('p') };
}

/** The number of bytes of an unpadded base64 text; 0 for a length that no base64 text has. */
function unpaddedBytes(base64: string): number {
  return base64.length % 4 === 1 ? 0 : Math.floor((base64.length * 3) / 4);
}
