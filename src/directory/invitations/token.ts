// The token of an invitation: 256 random bits in a mail, and nothing but their hash in the database.
import { createHash } from 'node:crypto';
import type { Random } from '../../base/platform/random.ts';

const BYTES = 32;

/** A fresh token, in base64url. */
export function newInvitationToken(random: Random): string {
  return random.bytes(BYTES).toString('base64url');
}

/** What is stored of it, as hexadecimal digits. Any text has one, so that what is no token is looked up as well. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
