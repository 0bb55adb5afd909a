// The signed assertion with which a service client proves who it is (private_key_jwt: RFC 7523 §3, OpenID Connect Core
// §9). authenticate.ts finds the keys of the client and makes sure that an assertion is used only once.
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { compactVerify } from 'jose';
import { readJsonObject } from '../../protocol/json.ts';
import { decodePart, KID_LENGTH_MAX, splitCompact } from '../../protocol/jws.ts';
import { ASSERTION_ALGORITHMS, type AssertionAlgorithm, algorithmsOf, type PublicKey } from '../clients/public-keys.ts';

/** An assertion with valid claims whose signature is not verified yet. */
export interface Assertion {
  readonly compact: string;
  readonly alg: AssertionAlgorithm;
  readonly kid: string | undefined;
  readonly clientId: string;
  readonly jti: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

const ASSERTION_BYTES_MAX = 8192;
const JTI_LENGTH_MAX = 256;
const LIFE_MAX_SECONDS = 300;
const SKEW_SECONDS = 60;
const TYPES = ['jwt', 'client-authentication+jwt'];

/**
 * Reads an assertion and checks its claims, but not its signature. Returns null for an invalid assertion. `audiences`
 * are the issuer and the token endpoint. `aud` must be one of them, as a single string and not in an array
 * (draft-ietf-oauth-rfc7523bis).
 */
export function readAssertion(
  compact: string,
  { audiences, nowSeconds }: { readonly audiences: readonly string[]; readonly nowSeconds: number },
): Assertion | null {
  const parts = compact.length > ASSERTION_BYTES_MAX ? null : splitCompact(compact);
  const header = parts && objectIn(parts.header);
  const payload = parts && objectIn(parts.payload);
  const head = header && readHeader(header);
  if (!head || !payload) return null;
  const { iss, sub, aud, jti } = payload;
  if (typeof sub !== 'string' || iss !== sub) return null;
  if (typeof aud !== 'string' || !audiences.includes(aud)) return null;
  if (typeof jti !== 'string' || jti === '' || jti.length > JTI_LENGTH_MAX) return null;
  if (typeof payload.exp !== 'number' || !isTimely(payload, payload.exp, nowSeconds)) return null;
  return { ...head, compact, clientId: sub, jti, expiresAt: payload.exp };
}

function objectIn(part: string): Record<string, unknown> | null {
  const bytes = decodePart(part);
  return bytes && readJsonObject(bytes);
}

/** The header parameters jwk, jku, x5u and x5c are ignored, because only registered keys count. */
function readHeader({ alg, typ, kid, crit, b64 }: Record<string, unknown>) {
  if (crit !== undefined || b64 !== undefined) return null;
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.includes(typ.toLowerCase()))) return null;
  if (kid !== undefined && !(typeof kid === 'string' && kid.length <= KID_LENGTH_MAX)) return null;
  const known = ASSERTION_ALGORITHMS.find((name) => name === alg);
  return known ? { alg: known, kid } : null;
}

/**
 * Whether the assertion is not expired, is already valid, and has a short life. A short life limits the use of a stolen
 * assertion.
 */
function isTimely({ iat, nbf }: Record<string, unknown>, exp: number, now: number): boolean {
  for (const instant of [iat, nbf]) {
    if (instant !== undefined && !(typeof instant === 'number' && instant <= now + SKEW_SECONDS)) return false;
  }
  const issued = typeof iat === 'number' ? iat : now;
  // If the clock of the client is ahead, the exp of the assertion is ahead too.
  return (
    exp > now && exp <= Math.max(now, issued) + LIFE_MAX_SECONDS && exp - issued <= LIFE_MAX_SECONDS + SKEW_SECONDS
  );
}

// Well-formed keys that belong to no client. If no registered key fits, the signature is verified with one of these
// keys, so that an unknown client takes as much time as a wrong signature. For elliptic curves, the key is the base
// point. A signature that verifies only with one of these keys is not accepted.
const STAND_IN_RSA = { kty: 'RSA', n: Buffer.alloc(256, 0xff).toString('base64url'), e: 'AQAB' };
const base = (kty: string, crv: string, x: string, y?: string): PublicKey => ({
  kty,
  crv,
  x: Buffer.from(x, 'hex').toString('base64url'),
  ...(y === undefined ? {} : { y: Buffer.from(y, 'hex').toString('base64url') }),
});
const STAND_IN_ED25519 = base('OKP', 'Ed25519', `58${'66'.repeat(31)}`);
const STAND_INS: Readonly<Record<AssertionAlgorithm, PublicKey>> = {
  RS256: STAND_IN_RSA,
  PS256: STAND_IN_RSA,
  ES256: base(
    'EC',
    'P-256',
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296',
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  ),
  ES384: base(
    'EC',
    'P-384',
    'aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7',
    '3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f',
  ),
  ES512: base(
    'EC',
    'P-521',
    '00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66',
    '011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650',
  ),
  EdDSA: STAND_IN_ED25519,
  Ed25519: STAND_IN_ED25519,
};

/**
 * Whether one of the keys signed the assertion. If the assertion has a kid, only the key with that kid counts. Without
 * a matching key, this takes as much time as with one.
 */
export async function isSignedByOne(assertion: Assertion, keys: readonly PublicKey[]): Promise<boolean> {
  const { alg, kid } = assertion;
  const fitting = keys.filter((key) => (kid === undefined || key.kid === kid) && algorithmsOf(key).includes(alg));
  let signed = false;
  for (const key of fitting.length > 0 ? fitting : [STAND_INS[alg]]) {
    signed = (await verifies(assertion, key)) || signed;
  }
  return signed && fitting.length > 0;
}

async function verifies({ compact, alg }: Assertion, key: PublicKey): Promise<boolean> {
  try {
    const { kty, n, e, crv, x, y } = key;
    const imported = createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' });
    await compactVerify(compact, imported, { algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}
