// Reads the Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header-07 §2.1). The draft defines a
// string in quotes (RFC 9651 §3.3.3). A key without quotes is also accepted, because most clients send keys without
// quotes.

import { problem } from '../errors/problem.ts';
import { type SentHeaders, singleHeader } from '../headers/conditions.ts';

export const IDEMPOTENCY_HEADER = 'idempotency-key';

/** A shorter key could be guessed or used twice by accident. A UUID has 36 characters. */
export const KEY_LENGTH_MIN = 16;
export const KEY_LENGTH_MAX = 255;

const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
// Visible ASCII without quotes, commas, semicolons or backslashes.
const BARE = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/;

/** Returns the key without quotes; null when the request has none. Raises bad_request for a malformed or second key. */
export function readIdempotencyKey(sent: SentHeaders): string | null {
  const value = singleHeader(sent, IDEMPOTENCY_HEADER, 'Idempotency-Key')?.trim();
  if (value === undefined) return null;
  const quoted = QUOTED.exec(value)?.[1]?.replace(/\\(["\\])/g, '$1');
  const key = quoted ?? (BARE.test(value) ? value : '');
  if (key.length >= KEY_LENGTH_MIN && key.length <= KEY_LENGTH_MAX) return key;
  throw problem('bad_request', {
    detail: `Idempotency-Key must be one random text of ${KEY_LENGTH_MIN} to ${KEY_LENGTH_MAX} visible ASCII characters, such as a UUID.`,
  });
}
