// The texts of one-time tokens and codes: how they are made, read and hashed.
import { createHash } from 'node:crypto';
import { is256Bits } from '../../base/platform/bits.ts';
import type { Random } from '../../base/platform/random.ts';
import type { Personal } from '../../base/secrets/personal.ts';

const TOKEN_BYTES = 32;
const CODE_DIGITS = 8;
const CODE = /^[0-9](?:[ -]*[0-9]){7}$/;
const CODE_LENGTH_MAX = 64;
// The largest multiple of 10^8 in 32 bits: the numbers below it give every code equally often.
const CODE_BOUND = 4_200_000_000;

/** Makes a token of 256 random bits in base64url. */
export function newToken(random: Random): string {
  return random.bytes(TOKEN_BYTES).toString('base64url');
}

/** The SHA-256 of the bits of a token, in hexadecimal digits. Null for a text that `newToken` cannot return. */
export function tokenHash(token: string): string | null {
  if (!is256Bits(token)) return null;
  const bits = Buffer.from(token, 'base64url');
  // The last character has two bits more than the token. In any other form than the canonical one they are not zero.
  if (bits.toString('base64url') !== token) return null;
  return createHash('sha256').update(bits).digest('hex');
}

/** Makes a code of eight digits. */
export function newCode(random: Random): string {
  for (;;) {
    const number = random.bytes(4).readUInt32BE();
    if (number < CODE_BOUND) return String(number % 10 ** CODE_DIGITS).padStart(CODE_DIGITS, '0');
  }
}

/** The eight digits of a code as people type it, with spaces and hyphens between them. Null for any other text. */
export function readCode(typed: string): string | null {
  if (typed.length > CODE_LENGTH_MAX || !CODE.test(typed)) return null;
  return typed.replace(/[ -]/g, '');
}

/**
 * The keyed hash of a code, in base64. There are only 10^8 codes, so a hash without a key would let a reader of the
 * database find the code by trying all of them. The key is not in the database. Raises DataKeyMissing.
 */
export function codeHash(
  personal: Pick<Personal, 'lookup'>,
  of: { readonly purpose: string; readonly userId: string; readonly id: string; readonly code: string },
): string {
  return personal.lookup('one_time_tokens.code', `${of.purpose} ${of.userId} ${of.id} ${of.code}`);
}
