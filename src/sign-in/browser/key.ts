// The key of a browser's session: 256 random bits in its cookie. Only the hash is stored.
import { createHash } from 'node:crypto';
import { is256Bits } from '../../base/platform/bits.ts';
import type { Random } from '../../base/platform/random.ts';

/** Creates a key for the cookie. Returns it with the hash for the row of the session. */
export function newBrowserKey(random: Random): { readonly key: string; readonly hash: Buffer } {
  const key = random.bytes(32).toString('base64url');
  return { key, hash: hashOf(key) };
}

/** The hash of a text that has the form of a key; null for any other text. */
export function browserKeyHash(text: string): Buffer | null {
  return is256Bits(text) ? hashOf(text) : null;
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
