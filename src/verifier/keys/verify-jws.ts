// Verifies the signature of an RS256 JWS with any payload.
import type { KeyObject } from 'node:crypto';
import { readJsonObject } from '../../protocol/json.ts';
import { decodePart, KID_LENGTH_MAX, splitCompact } from '../../protocol/jws.ts';
import { VerificationError } from '../core/error.ts';
import { isSignedBy, publicKeyOf } from './public-key.ts';

export type Jwk = Readonly<Record<string, unknown>>;

export interface VerifiedJws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
}

// Members that change how the JWS is read, or that contain or point to a key (RFC 7515 §4.1, RFC 7797).
const REFUSED_MEMBERS = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c'];

/**
 * Verifies a compact JWS (RFC 7515 §5.2) with a JWK or a JWK set: RS256 only. Without a `kid` in the header, there must
 * be exactly one key. If the header and the key have a `kid`, the two must be equal. Raises VerificationError
 * `invalid_token` for any other JWS.
 */
export function verifyJws(jws: string, keys: Jwk | { readonly keys: readonly Jwk[] }): VerifiedJws {
  const parts = splitCompact(jws);
  const headerBytes = parts && decodePart(parts.header);
  const header = headerBytes && readJsonObject(headerBytes);
  const payload = parts && decodePart(parts.payload);
  if (!parts || !header || !payload || !isAcceptable(header)) throw new VerificationError('invalid_token');
  const key = keyFor(header.kid, 'keys' in keys && Array.isArray(keys.keys) ? keys.keys : [keys as Jwk]);
  if (!key || !isSignedBy(key, parts.signed, parts.signature)) throw new VerificationError('invalid_token');
  return { header, payload };
}

function isAcceptable(header: Record<string, unknown>): boolean {
  const { alg, kid } = header;
  if (alg !== 'RS256' || REFUSED_MEMBERS.some((member) => Object.hasOwn(header, member))) return false;
  return kid === undefined || (typeof kid === 'string' && kid !== '' && kid.length <= KID_LENGTH_MAX);
}

function keyFor(kid: unknown, keys: readonly Jwk[]): KeyObject | null {
  const [first, ...others] = keys;
  if (others.length === 0) {
    const isOther = first?.kid !== undefined && kid !== undefined && first.kid !== kid;
    return isOther ? null : publicKeyOf(first);
  }
  // If several keys have the same kid, it is unclear which key is meant.
  const named = kid === undefined ? [] : keys.filter((key) => key.kid === kid);
  return named.length === 1 ? publicKeyOf(named[0]) : null;
}
