// What is stored about a request with an Idempotency-Key, and how. The database has no key, no body and no answer in
// plaintext. The fingerprint of a request and the key that seals its answer are derived from two secrets: the
// Idempotency-Key, which only the client has, and a secret of the installation, which is not in the database. So with a
// stolen database nobody can read an answer, or test guesses of a password against a fingerprint, even if clients
// choose keys that can be guessed.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Random } from '../platform/random.ts';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

function derive(key: string, secret: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, secret, `tenantry idempotency ${purpose}`, 32));
}

const NO_SECRET = Buffer.alloc(0);

/** The id of the row. It is the same in every process, and different for each key, caller and route. */
export function rowIdOf(key: string, scope: string): Buffer {
  return derive(key, NO_SECRET, `row ${scope}`);
}

/** The fingerprint that binds a row to the content of its request. */
export function fingerprintOf(key: string, secret: Buffer, request: string): Buffer {
  return createHmac('sha256', derive(key, secret, 'fingerprint'))
    .update(request)
    .digest();
}

export function isSameFingerprint(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/**
 * Seals an answer for the row. Nobody can move it to another row, because the id of the row is authenticated together
 * with the answer.
 */
export function seal(key: string, secret: Buffer, row: Buffer, answer: string, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, derive(key, secret, 'answer'), nonce).setAAD(row);
  return Buffer.concat([nonce, cipher.update(answer, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what `seal` returned. Raises when the sealed bytes, the row or one of the secrets differs. */
export function unseal(key: string, secret: Buffer, row: Buffer, sealed: Buffer): string {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, derive(key, secret, 'answer'), nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(row).setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
}

/** A text of a JSON value. The order of members does not change the text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
