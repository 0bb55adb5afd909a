// The token of an invitation: 256 random bits. The mail contains them, and the database only their hash.
import { createHash } from 'node:crypto';
import type { Random } from '../../base/platform/random.ts';

const BYTES = 32;

/** A new token, in base64url. */
export function newInvitationToken(random: Random): string {
  return random.bytes(BYTES).toString('base64url');
}

/** The stored hash of a token, in hexadecimal digits. Any text has a hash, so an invalid token is looked up like any. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
