// The secret of a service client. It has a prefix, by which scanners of repositories and logs recognize it, and 256
// random bits. Only its SHA-256 is stored. A secret with that many random bits needs no slow hash.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/platform/random.ts';

const SECRET_PREFIX = 'tcs_';
const BYTES = 32;

/** Returns a new secret. */
export function newClientSecret(random: Random): string {
  return `${SECRET_PREFIX}${random.bytes(BYTES).toString('base64url')}`;
}

/**
 * The stored hash of a secret, in hexadecimal digits. Every text has a hash, so an invalid secret takes the same work
 * as a valid one.
 */
export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

const STAND_IN = '0'.repeat(64);

/**
 * Whether one of the hashes is the hash of the secret. The time depends neither on which of the hashes it is, nor on
 * whether there are any hashes.
 */
export function isOneOf(secret: string, hashes: readonly string[]): boolean {
  const hash = Buffer.from(hashOfSecret(secret), 'hex');
  let found = false;
  for (const known of hashes.length > 0 ? hashes : [STAND_IN]) {
    found = timingSafeEqual(hash, Buffer.from(known, 'hex')) || found;
  }
  return found && hashes.length > 0;
}
