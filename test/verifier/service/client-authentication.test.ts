// How the verifier authenticates to the service: with its secret, or with an assertion that its key signs.
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import t from 'tap';
import type { ClientCredentials } from '../../../src/verifier/index.ts';
import { createClientAuthentication } from '../../../src/verifier/service/client-authentication.ts';
import { partsOf } from '../../support/forge.ts';
import { createManualTiming } from '../manual-timing.ts';

const ISSUER = { issuer: 'https://auth.acme.test' };
const clientId = 'f1b1c1f0-0000-4000-8000-000000000000';
const timing = createManualTiming(1_800_000_000);

const pair = (type: string, options: object) =>
  (
    generateKeyPairSync as unknown as (type: string, options: object) => { privateKey: KeyObject; publicKey: KeyObject }
  )(type, options);

const kinds: Record<string, { privateKey: KeyObject; publicKey: KeyObject }> = {
  RS256: pair('rsa', { modulusLength: 2048 }),
  ES256: pair('ec', { namedCurve: 'P-256' }),
  ES384: pair('ec', { namedCurve: 'P-384' }),
  ES512: pair('ec', { namedCurve: 'P-521' }),
  EdDSA: pair('ed25519', {}),
};
const rsaKey = kinds.RS256 as { privateKey: KeyObject; publicKey: KeyObject };

function isSigned(assertion: string, alg: string, key: KeyObject): boolean {
  const cut = assertion.lastIndexOf('.');
  const [input, signature] = [Buffer.from(assertion.slice(0, cut)), Buffer.from(assertion.slice(cut + 1), 'base64url')];
  if (alg === 'PS256') return verify('sha256', input, { key, padding: 6, saltLength: 32 }, signature);
  if (alg === 'EdDSA') return verify(null, input, key, signature);
  return verify(`sha${alg.slice(2)}`, input, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

function assertionBy(credentials: ClientCredentials): string {
  const { headers, parameters } = createClientAuthentication(credentials, ISSUER, timing).prove();
  t.same(headers, {});
  t.equal(parameters.client_id, clientId);
  t.equal(parameters.client_assertion_type, 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  return parameters.client_assertion ?? '';
}

t.test('a secret with any characters is encoded as in RFC 6749 §2.3.1', async (t) => {
  for (const clientSecret of ['plain', 'a b+c/d:e%f=g&h', 'schön🦊', ' ']) {
    const { headers, parameters } = createClientAuthentication({ clientId, clientSecret }, ISSUER, timing).prove();
    t.same(parameters, {});
    const [id, secret = ''] = Buffer.from(headers.authorization?.slice(6) ?? '', 'base64')
      .toString()
      .split(':');
    t.equal(id, clientId);
    t.equal(new URLSearchParams(`x=${secret}`).get('x'), clientSecret);
  }
});

t.test(
  'an assertion is short-lived, used once, for the issuer only, and signed with the key’s algorithm (RFC 7523 §3)',
  async (t) => {
    for (const [alg, { privateKey, publicKey }] of Object.entries(kinds)) {
      const assertion = assertionBy({ clientId, privateKey });
      const { header, claims } = partsOf(assertion);
      t.same(header, { alg, typ: 'JWT' });
      t.match(claims, { iss: clientId, sub: clientId, aud: ISSUER.issuer, iat: 1_800_000_000, exp: 1_800_000_060 });
      t.ok(isSigned(assertion, alg, publicKey), alg);
      const again = assertionBy({ clientId, privateKey });
      t.not(partsOf(again).claims.jti, claims.jti);
    }
    const pss = assertionBy({ clientId, privateKey: rsaKey.privateKey, alg: 'PS256', keyId: 'k1' });
    t.same(partsOf(pss).header, { alg: 'PS256', typ: 'JWT', kid: 'k1' });
    t.ok(isSigned(pss, 'PS256', rsaKey.publicKey));
  },
);

t.test('the private key can be a KeyObject, a PEM text or a JWK', async (t) => {
  const { privateKey, publicKey } = kinds.ES256 as typeof rsaKey;
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const jwk = { ...privateKey.export({ format: 'jwk' }) };
  for (const given of [privateKey, pem, jwk])
    t.ok(isSigned(assertionBy({ clientId, privateKey: given }), 'ES256', publicKey));
});

t.test('unusable credentials are refused at once, and the error does not contain them', async (t) => {
  const wrong: unknown[] = [
    { clientId, clientSecret: '' },
    { clientId, clientSecret: undefined },
    { clientId, privateKey: createPublicKey(rsaKey.privateKey) },
    { clientId, privateKey: 'not a key: hunter2' },
    { clientId, privateKey: { kty: 'RSA', d: 'hunter2' } },
    { clientId, privateKey: undefined },
    { clientId, privateKey: null },
    { clientId, privateKey: rsaKey.privateKey, alg: 'ES256' },
    { clientId, privateKey: rsaKey.privateKey, alg: 'none' },
    { clientId, privateKey: rsaKey.privateKey, alg: 'HS256' },
    { clientId, privateKey: rsaKey.privateKey, alg: 'constructor' },
    { clientId, privateKey: kinds.ES384?.privateKey, alg: 'ES256' },
    { clientId, privateKey: pair('ec', { namedCurve: 'secp256k1' }).privateKey },
    { clientId, privateKey: pair('x25519', {}).privateKey },
  ];
  for (const [index, credentials] of wrong.entries()) {
    try {
      createClientAuthentication(credentials as ClientCredentials, ISSUER, timing);
      t.fail(`case ${index}`);
    } catch (error) {
      t.ok(error instanceof TypeError, `case ${index}: ${error}`);
      t.notMatch(String(error), /hunter2/);
    }
  }
});
