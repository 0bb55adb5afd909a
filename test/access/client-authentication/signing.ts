// Key pairs of clients, and the assertions that clients sign with them.
import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';

export const ISSUER = 'http://localhost:3000';

export type KeyKind = 'rsa' | 'P-256' | 'P-384' | 'P-521' | 'ed25519';

export interface ClientKeyPair {
  readonly privateKey: KeyObject;
  /** The public half as a JWK. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** The public half as PEM. */
  readonly publicPem: string;
}

const made = new Map<string, ClientKeyPair>();

/** Returns a key pair of the kind. The same name gets the same pair, because creating key pairs is slow. */
export function keyPair(kind: KeyKind, name = 'first'): ClientKeyPair {
  const known = made.get(`${kind} ${name}`);
  if (known) return known;
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: kind });
  const pair = {
    privateKey,
    jwk: { ...publicKey.export({ format: 'jwk' }) },
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  };
  made.set(`${kind} ${name}`, pair);
  return pair;
}

interface AssertionChanges {
  readonly alg?: string;
  readonly header?: Readonly<Record<string, unknown>>;
  /** Changed claims. A claim with the value undefined is left out. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Returns a valid assertion of the client, with the given changes. */
export function assertionOf(clientId: string, key: KeyObject, changes: AssertionChanges = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: clientId, sub: clientId, aud: ISSUER, jti: randomUUID(), iat: now, exp: now + 60 };
  const all = Object.entries({ ...claims, ...changes.claims }).filter(([, value]) => value !== undefined);
  return new SignJWT(Object.fromEntries(all))
    .setProtectedHeader({ alg: changes.alg ?? 'ES256', ...changes.header })
    .sign(key);
}
