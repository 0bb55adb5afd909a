// Keyed hashes by which a sealed value can be found without being opened. Without the key nobody can test a guess. The
// database shows which values are equal, and how often each hash occurs (docs/personal-data.md).
import { createHmac, type KeyObject } from 'node:crypto';

/** The key of all lookups of an installation. It is never rotated, because every stored hash depends on it. */
export type LookupKey = KeyObject;

/**
 * HMAC-SHA-256 (RFC 2104) of the purpose and the text. The purpose keeps the hashes of different columns apart, so
 * equal values in two columns have different hashes. The purpose contains no NUL.
 */
export function lookup(key: LookupKey, purpose: string, text: string): Buffer {
  return createHmac('sha256', key).update(`${purpose}\0${text}`).digest();
}
