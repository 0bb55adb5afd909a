// Decides which JSON Web Keys may verify RS256 signatures, and checks one signature.
import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import { isFactorable } from './weak-key.ts';

const MODULUS_BITS_MIN = 2048; // RFC 7518 §3.3
// A longer key only costs time, which grows with the square of its length.
const MODULUS_BITS_MAX = 8192;
const EXPONENT_BYTES_MAX = 8;
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const CANONICAL = /^[A-Za-z0-9_-]+$/;

/** The public key of a JWK, or null unless it is an RSA key of 2048 to 8192 bits that may verify RS256. */
export function publicKeyOf(jwk: unknown): KeyObject | null {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return null;
  const { kty, n, e, use, alg, key_ops } = jwk as Record<string, unknown>;
  if (kty !== 'RSA' || !isUnsigned(n) || !isUnsigned(e)) return null;
  if (use !== undefined && use !== 'sig') return null;
  if (alg !== undefined && alg !== 'RS256') return null;
  if (key_ops !== undefined && !(Array.isArray(key_ops) && key_ops.includes('verify'))) return null;
  // A published private key is worthless, because anyone can sign with it.
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return null;
  const exponent = Buffer.from(e, 'base64url');
  if (exponent.length > EXPONENT_BYTES_MAX || !isOddAboveOne(exponent)) return null;
  const modulus = Buffer.from(n, 'base64url');
  if (modulus.length * 8 > MODULUS_BITS_MAX || !isOddAboveOne(modulus)) return null;
  if (isFactorable(BigInt(`0x${modulus.toString('hex')}`))) return null;
  try {
    const key = createPublicKey({ key: { kty, n, e }, format: 'jwk' });
    return isVerificationKey(key) ? key : null;
  } catch {
    return null;
  }
}

/** Whether a key is an RSA public key of a length that is accepted. */
export function isVerificationKey(key: KeyObject): boolean {
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  const isRsa = key.type === 'public' && key.asymmetricKeyType === 'rsa';
  return isRsa && bits >= MODULUS_BITS_MIN && bits <= MODULUS_BITS_MAX;
}

/** Whether the bytes are the key's RS256 signature of an ASCII text (RFC 7518 §3.3). */
export function isSignedBy(key: KeyObject, signed: string, signature: Buffer): boolean {
  return createVerify('RSA-SHA256').update(signed, 'latin1').verify(key, signature);
}

// RFC 7518 §6.3.1: Base64urlUInt, the shortest form.
function isUnsigned(value: unknown): value is string {
  if (typeof value !== 'string' || !CANONICAL.test(value)) return false;
  const bytes = Buffer.from(value, 'base64url');
  return bytes[0] !== 0 && bytes.toString('base64url') === value;
}

// With an exponent of 1 anyone could forge signatures, and RSA has no even modulus or exponent.
function isOddAboveOne(bytes: Buffer): boolean {
  const last = bytes.at(-1) ?? 0;
  return last % 2 === 1 && (bytes.length > 1 || last > 1);
}
