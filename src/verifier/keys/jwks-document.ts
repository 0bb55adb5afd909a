// Reads a JWK set (RFC 7517 §5) and the time for which it may be kept (RFC 9111).
import type { KeyObject } from 'node:crypto';
import { readJsonObject } from '../../protocol/json.ts';
import { KID_LENGTH_MAX } from '../../protocol/jws.ts';
import { publicKeyOf } from './public-key.ts';

export type PublicKeys = ReadonlyMap<string, KeyObject>;

const KEYS_MAX = 100;
const FRESH_SECONDS_DEFAULT = 300;
const FRESH_SECONDS_MIN = 30;
const FRESH_SECONDS_MAX = 86_400;

/**
 * The usable keys of a JWK set by `kid`, without those whose `kid` occurs more than once. Keys of `known` that are
 * still in the set stay the same objects. Raises Error if the text is not a JWK set or has no usable key.
 */
export function readJwks(text: string, known: PublicKeys): PublicKeys {
  const document = readJsonObject(Buffer.from(text));
  if (!document || !Array.isArray(document.keys)) throw new Error('the answer is no JWK set');
  if (document.keys.length > KEYS_MAX) throw new Error(`the JWK set has more than ${KEYS_MAX} keys`);
  const keys = new Map<string, KeyObject>();
  const ambiguous = new Set<string>();
  for (const jwk of document.keys as unknown[]) {
    const kid = kidOf(jwk);
    if (kid === null) continue;
    // If two entries have the same kid, it is unclear which entry is meant, even if only one of them is usable.
    if (keys.has(kid) || ambiguous.has(kid)) {
      keys.delete(kid);
      ambiguous.add(kid);
      continue;
    }
    const key = publicKeyOf(jwk);
    if (key) keys.set(kid, key);
    else ambiguous.add(kid);
  }
  if (keys.size === 0) throw new Error('the JWK set has no RSA key that may verify RS256');
  for (const [kid, key] of keys) {
    const same = known.get(kid);
    if (same?.equals(key)) keys.set(kid, same);
  }
  return keys;
}

function kidOf(jwk: unknown): string | null {
  if (typeof jwk !== 'object' || jwk === null) return null;
  const { kid } = jwk as { kid?: unknown };
  return typeof kid === 'string' && kid !== '' && kid.length <= KID_LENGTH_MAX ? kid : null;
}

/** How many seconds an answer may be kept: 30 to 86,400, and 300 if its headers do not say how long (RFC 9111 §4.2). */
export function freshSeconds(headers: Headers): number {
  const directives = (headers.get('cache-control') ?? '').toLowerCase();
  if (/(^|[\s,])no-(store|cache)($|[\s,=])/.test(directives)) return FRESH_SECONDS_MIN;
  const lifetime = maxAge(directives) ?? untilExpires(headers) ?? FRESH_SECONDS_DEFAULT;
  const age = Number(headers.get('age') ?? 0);
  const left = lifetime - (Number.isFinite(age) && age > 0 ? age : 0);
  return Math.min(Math.max(left, FRESH_SECONDS_MIN), FRESH_SECONDS_MAX);
}

function maxAge(directives: string): number | undefined {
  const seconds = /(?:^|[\s,])max-age="?(\d+)/.exec(directives)?.[1];
  return seconds === undefined ? undefined : Number(seconds);
}

function untilExpires(headers: Headers): number | undefined {
  const expires = headers.get('expires');
  if (expires === null) return undefined;
  const [end, sent] = [Date.parse(expires), Date.parse(headers.get('date') ?? '')];
  // RFC 9111 §5.3: an invalid date counts as one in the past.
  return Number.isNaN(end) || Number.isNaN(sent) ? 0 : (end - sent) / 1000;
}
