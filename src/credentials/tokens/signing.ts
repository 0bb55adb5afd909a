// Makes and checks the signature of one kind of token with one key ring. access.ts and refresh.ts are responsible for
// the claims.
import { compactVerify, SignJWT } from 'jose';
import { takeApart } from '../../protocol/jws.ts';
import { type KeyRing, NoSigningKey, type RingKey } from '../keys/ring.ts';

/** Signs claims. The same claims and key produce the same bytes (RFC 8017 §8.2: RS256 has no randomness). */
export function signClaims(key: RingKey, typ: string, claims: object): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', typ, kid: key.kid }).sign(key.privateKey);
}

/**
 * The payload of a token whose signature is good; null for any other token. Claims are not checked here. Raises
 * NoSigningKey when the ring has no key. No token can be checked then, and a client must keep its token.
 */
export async function verifySignature(
  ring: KeyRing,
  typ: string,
  token: string,
  at: Date,
): Promise<{ payload: Record<string, unknown>; kid: string } | null> {
  if (ring.keys().length === 0) throw new NoSigningKey('There is no key to verify with');
  const parts = takeApart(token, typ);
  const key = parts && ring.verificationKey(parts.kid, at);
  if (!parts || !key) return null;
  try {
    await compactVerify(token, key.publicKey, { algorithms: ['RS256'] });
    return parts;
  } catch {
    return null;
  }
}
