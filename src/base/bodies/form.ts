// Reads the forms that OAuth endpoints and pages get. Accepts one media type, strict encoding, and each parameter at
// most once.

import { readForm } from '../../protocol/form.ts';
import { problem } from '../errors/problem.ts';

const FORM_TYPE = /^application\/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;

/** Raises unsupported_media_type for anything but an uncompressed form in UTF-8 (RFC 9110 §8.4.1). */
export function assertFormType(contentType: string | undefined, contentEncoding: string | undefined): void {
  const packed = contentEncoding !== undefined && !/^identity$/i.test(contentEncoding);
  if (!packed && FORM_TYPE.test(contentType ?? '')) return;
  throw problem('unsupported_media_type', { detail: 'Send the body as application/x-www-form-urlencoded.' });
}

/**
 * Returns the parameters of a form. A parameter without a value counts as missing. A repeated parameter is refused (RFC
 * 6749 §3.2). Raises bad_request.
 */
export function parseForm(bytes: Uint8Array): Record<string, string> {
  const pairs = readForm(bytes);
  if (!pairs) throw problem('bad_request', { detail: 'The body is not a well-formed form in UTF-8.' });
  const names = new Set(pairs.map(([name]) => name));
  if (names.size < pairs.length)
    throw problem('bad_request', { detail: 'The body repeats a parameter: send each one once.' });
  return Object.fromEntries(pairs.filter(([, value]) => value !== ''));
}
