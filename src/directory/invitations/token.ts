// The token of an invitation: 256 random bits. The mail contains the token. The database contains only its hash.
import { createHash } from 'node:crypto';
import type { Random } from '../../base/platform/random.ts';

const BYTES = 32;

/** Returns a new token in base64url. */
export function newInvitationToken(random: Random): string {
  return random.bytes(BYTES).toString('base64url');
}

/**
 * The stored hash of a token, in hexadecimal digits. Every text has a hash, so an invalid token is looked up in the
 * same way as a valid token.
 */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
