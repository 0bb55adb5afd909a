// Authenticates the verifier at the service: by a client secret (RFC 6749 §2.3.1) or a signed assertion (RFC 7523).
import { createPrivateKey, type JsonWebKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import type { Timing } from '../core/clock.ts';
import type { ClientCredentials } from '../core/options.ts';

export interface ClientAuthentication {
  /** The headers and parameters that authenticate a request to an OAuth endpoint. */
  prove(): { readonly headers: Record<string, string>; readonly parameters: Record<string, string> };
}

interface Algorithm {
  readonly digest: string | null;
  readonly options: Readonly<Record<string, unknown>>;
  readonly type: string;
}

const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  RS256: { digest: 'sha256', options: {}, type: 'rsa' },
  PS256: { digest: 'sha256', options: { padding: 6, saltLength: 32 }, type: 'rsa' }, // RSA_PKCS1_PSS_PADDING
  ES256: { digest: 'sha256', options: { dsaEncoding: 'ieee-p1363' }, type: 'ec' },
  ES384: { digest: 'sha384', options: { dsaEncoding: 'ieee-p1363' }, type: 'ec' },
  ES512: { digest: 'sha512', options: { dsaEncoding: 'ieee-p1363' }, type: 'ec' },
  EdDSA: { digest: null, options: {}, type: 'ed25519' },
};
// RFC 7518 §3.4: each curve is used with one algorithm.
const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
const ASSERTION_SECONDS = 60;

/** Checks the credentials. Raises TypeError for a key or algorithm that cannot be used. */
export function createClientAuthentication(
  credentials: ClientCredentials,
  { issuer }: { readonly issuer: string },
  timing: Timing,
): ClientAuthentication {
  const { clientId } = credentials;
  if ('clientSecret' in credentials) {
    const { clientSecret } = credentials;
    if (typeof clientSecret !== 'string' || clientSecret === '') throw new TypeError('clientSecret must not be empty');
    const value = Buffer.from(`${formEncode(clientId)}:${formEncode(clientSecret)}`).toString('base64');
    return { prove: () => ({ headers: { authorization: `Basic ${value}` }, parameters: {} }) };
  }
  const key = privateKeyOf(credentials.privateKey);
  const alg = credentials.alg ?? usualAlgorithm(key);
  const algorithm = ALGORITHMS[alg];
  const isOfCurve = algorithm?.type !== 'ec' || alg === usualAlgorithm(key);
  if (!algorithm || algorithm.type !== key.asymmetricKeyType || !isOfCurve) {
    throw new TypeError(`credentials.alg ${alg} does not go with the private key`);
  }
  const header = encode({ alg, typ: 'JWT', ...(credentials.keyId ? { kid: credentials.keyId } : {}) });
  return {
    prove() {
      const iat = Math.floor(timing.now() / 1000);
      const claims = {
        iss: clientId,
        sub: clientId,
        aud: issuer,
        jti: randomUUID(),
        iat,
        exp: iat + ASSERTION_SECONDS,
      };
      const signed = `${header}.${encode(claims)}`;
      const signature = sign(algorithm.digest, Buffer.from(signed), { key, ...algorithm.options });
      return {
        headers: {},
        parameters: {
          client_id: clientId,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: `${signed}.${signature.toString('base64url')}`,
        },
      };
    },
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

// RFC 6749 §2.3.1: the id and the secret are form-encoded before they are joined by a colon.
function formEncode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

function privateKeyOf(given: KeyObject | string | Readonly<Record<string, unknown>>): KeyObject {
  try {
    if (typeof given === 'string') return createPrivateKey(given);
    if ('asymmetricKeyType' in given && given.type === 'private') return given as KeyObject;
    return createPrivateKey({ key: given as JsonWebKey, format: 'jwk' });
  } catch (cause) {
    throw new TypeError('credentials.privateKey must be a private key: a KeyObject, PKCS#8 PEM or JWK', { cause });
  }
}

function usualAlgorithm(key: KeyObject): string {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  return CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? 'none';
}
