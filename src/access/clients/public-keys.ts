// The public keys that a service client registers (RFC 7517, 7518, 8037). This file decides which keys are accepted,
// how they are stored, and which algorithms each key verifies.
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** The algorithms of assertions. `Ed25519` is the newer name of `EdDSA` with the curve Ed25519 (RFC 9864). */
export const ASSERTION_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const;
export type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number];

/** A public key with those members of the JWK that are stored. */
export interface PublicKey {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly n?: string;
  readonly e?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
}

export const KEYS_MAX = 10;
const RSA_BITS_MIN = 2048;
// With a longer key or a large exponent, the verification is so slow that a client could overload the service.
const RSA_BITS_MAX = 8192;
const RSA_EXPONENT_MIN = 65_537n;
const RSA_EXPONENT_MAX = 0xffff_ffffn;
const KID = /^[\x20-\x7e]{1,128}$/;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv', 'seed'];

const BY_CURVE: Readonly<Record<string, readonly AssertionAlgorithm[]>> = {
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'EC P-521': ['ES512'],
  'OKP Ed25519': ['EdDSA', 'Ed25519'],
};

function algorithmsOfKind({ kty, crv }: { readonly kty?: unknown; readonly crv?: unknown }) {
  return kty === 'RSA' ? (['RS256', 'PS256'] as const) : (BY_CURVE[`${kty} ${crv}`] ?? []);
}

/** The algorithms whose signatures the key verifies. If the key names an `alg`, only that algorithm. */
export function algorithmsOf(key: PublicKey): readonly AssertionAlgorithm[] {
  const kind = algorithmsOfKind(key);
  // Both names of Ed25519 mean the same algorithm.
  return key.alg === undefined || key.kty === 'OKP' ? kind : kind.filter((name) => name === key.alg);
}

/**
 * Returns the key as it is stored, or a message that says why it is refused. Members that PublicKey does not have are
 * left out (RFC 7517 §4).
 */
export function readPublicKey(jwk: Readonly<Record<string, unknown>>): PublicKey | string {
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) {
    return 'must be the public half alone: this holds private members, so make a new key and keep its private half';
  }
  const algorithms = algorithmsOfKind(jwk);
  if (algorithms.length === 0) return 'must be an RSA key, an EC key on P-256, P-384 or P-521, or an Ed25519 key';
  const { use, key_ops: operations, kid, alg } = jwk;
  if (use !== undefined && use !== 'sig') return 'must be for signatures: use, if present, is sig';
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    return 'must be for verifying: key_ops, if present, contains verify';
  }
  if (kid !== undefined && !(typeof kid === 'string' && KID.test(kid))) {
    return 'must have a kid of 1 to 128 visible ASCII characters, or none';
  }
  const named = algorithms.find((name) => name === alg);
  if (alg !== undefined && named === undefined) return `must have an alg that is ${algorithms.join(' or ')}, or none`;
  const key = importKey(jwk);
  if (key === null) return 'is not a valid key of its kind';
  const labels = { ...(typeof kid === 'string' ? { kid } : {}), ...(named === undefined ? {} : { alg: named }) };
  // The key is exported again, so that its numbers have their canonical encoding.
  return rsaFault(key) ?? { ...(key.export({ format: 'jwk' }) as PublicKey), ...labels };
}

function importKey(jwk: Readonly<Record<string, unknown>>): KeyObject | null {
  const { kty, n, e, crv, x, y } = jwk;
  try {
    return createPublicKey({ key: { kty, n, e, crv, x, y } as JsonWebKey, format: 'jwk' });
  } catch {
    return null;
  }
}

function rsaFault(key: KeyObject): string | null {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'rsa') return null;
  if (modulusLength === undefined || modulusLength < RSA_BITS_MIN || modulusLength > RSA_BITS_MAX) {
    return `must have ${RSA_BITS_MIN} to ${RSA_BITS_MAX} bits`;
  }
  const exponent = publicExponent ?? 0n;
  const isUsual = exponent >= RSA_EXPONENT_MIN && exponent <= RSA_EXPONENT_MAX && exponent % 2n === 1n;
  return isUsual ? null : 'must have the exponent 65537, or a larger odd one of 32 bits';
}

/** Says why the keys are refused as a set, or returns null. A kid must belong to a single key. */
export function judgeTogether(keys: readonly PublicKey[]): string | null {
  const kids = keys.flatMap(({ kid }) => kid ?? []);
  return new Set(kids).size === kids.length ? null : 'must have a kid of its own in each key';
}
