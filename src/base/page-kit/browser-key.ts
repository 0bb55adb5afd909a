// What a page binds to a browser, by means of a random key in a cookie that no other site and no script can read. The
// service does not store the key. A nonce proves that a form was made for the browser that sends it, and for the same
// purpose. A sealed token opens only in the browser for which it was sealed, and for the same purpose.
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { is256Bits } from '../platform/bits.ts';
import type { Random } from '../platform/random.ts';
import { type DataKey, seal, unseal } from '../secrets/sealing.ts';

/** Whether a text has the form of a browser's key, which is 256 bits in base64url. */
export function isBrowserKey(text: string | undefined): text is string {
  return text !== undefined && is256Bits(text);
}

/**
 * Returns the nonce. `sessionId` binds it to a session, so that a form that was opened before somebody else signed in
 * does not act for that person. `sessionId` is null for the forms of people who are not signed in.
 */
export function nonceFor(browserKey: string, purpose: string, sessionId: string | null): string {
  return keyed(browserKey, [purpose, sessionId]).toString('base64url');
}

function keyed(browserKey: string, parts: readonly (string | null)[]): Buffer {
  return createHmac('sha256', browserKey).update(JSON.stringify(parts)).digest();
}

/** Whether a form sent this nonce. */
export function isNonce(sent: string | undefined, expected: string): boolean {
  const [one, other] = [Buffer.from(sent ?? ''), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** Seals a token for this browser and this purpose. */
export function sealToken(browserKey: string, purpose: string, token: string, random: Random): string {
  return seal(sealingKey(browserKey, purpose), purpose, token, random).toString('base64url');
}

/** Opens what `sealToken` has sealed for the same browser and purpose. Returns null for anything else. */
export function openToken(browserKey: string, purpose: string, sealed: string): string | null {
  try {
    return unseal(sealingKey(browserKey, purpose), purpose, Buffer.from(sealed, 'base64url'));
  } catch {
    return null; // the sealed text was changed, or belongs to another browser or purpose
  }
}

/**
 * Returns the key that seals the tokens of a purpose. This key is derived from three parts, and a nonce from two parts,
 * so no nonce equals this key.
 */
function sealingKey(browserKey: string, purpose: string): DataKey {
  return { id: '00000000', secret: createSecretKey(keyed(browserKey, ['token', purpose, 'seal'])) };
}
