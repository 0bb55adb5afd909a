// The proof that a form was made for the browser that sends it, and for this purpose. It is a keyed hash of the
// purpose, and the key is a random cookie of the browser, which no other site and no script can read. Nothing is
// stored.
import { createHmac, timingSafeEqual } from 'node:crypto';

const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Whether a text can be the cookie of a browser: 256 bits. */
export function isBrowserKey(text: string | undefined): text is string {
  return text !== undefined && KEY.test(text);
}

/**
 * Returns the nonce. `sessionId` binds it to a session, so that a form that was opened before somebody else signed in
 * does not act for them. It is null for the forms of people who are not signed in.
 */
export function nonceFor(browserKey: string, purpose: string, sessionId: string | null): string {
  return createHmac('sha256', browserKey)
    .update(JSON.stringify([purpose, sessionId]))
    .digest('base64url');
}

/** Whether a form sent this nonce. */
export function isNonce(sent: string | undefined, expected: string): boolean {
  const [one, other] = [Buffer.from(sent ?? ''), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
