// The secret of a service client: 256 random bits behind a prefix that scanners of repositories and logs know it by.
// Nothing but its SHA-256 is stored: a secret of that many bits needs no slow hash.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../base/platform/random.ts';

const SECRET_PREFIX = 'tcs_';
const BYTES = 32;

/** A fresh secret. */
export function newClientSecret(random: Random): string {
  return `${SECRET_PREFIX}${random.bytes(BYTES).toString('base64url')}`;
}

/** What is stored of a secret, as hexadecimal digits. Any text has one, so that what is no secret costs the same. */
export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

const STAND_IN = '0'.repeat(64);

/** Whether the secret is one of those that the hashes are of. Takes as long whichever it is, and where there is none. */
export function isOneOf(secret: string, hashes: readonly string[]): boolean {
  const hash = Buffer.from(hashOfSecret(secret), 'hex');
  let found = false;
  for (const known of hashes.length > 0 ? hashes : [STAND_IN]) {
    found = timingSafeEqual(hash, Buffer.from(known, 'hex')) || found;
  }
  return found && hashes.length > 0;
}
