// Token verification by another service: it reads the public keys from the running service and verifies tokens itself.
// The test uses three libraries that do not use Tenantry code.
import { createVerifier } from 'fast-jwt';
import buildGetJwks from 'get-jwks';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import jwksRsa from 'jwks-rsa';
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { base64url, partsOf } from '../support/forge.ts';
import { FULL_STRENGTH, spawnService } from '../support/service.ts';

// The issuer is the public address. The test fetches the keys from the service directly, not through a proxy.
const EXPECTED = { issuer: 'http://localhost:3000', audience: 'tenantry' };

type Verify = (token: string) => Promise<unknown>;

function joseVerifier(url: string): Verify {
  const jwks = createRemoteJWKSet(new URL('/.well-known/jwks.json', url));
  return async (token) => (await jwtVerify(token, jwks, { ...EXPECTED, algorithms: ['RS256'], typ: 'at+jwt' })).payload;
}

function jsonwebtokenVerifier(url: string): Verify {
  const client = jwksRsa({ jwksUri: `${url}/.well-known/jwks.json` });
  return async (token) => {
    const decoded = jsonwebtoken.decode(token, { complete: true });
    const key = await client.getSigningKey(decoded?.header.kid);
    return jsonwebtoken.verify(token, key.getPublicKey(), { ...EXPECTED, algorithms: ['RS256'] });
  };
}

function fastJwtVerifier(url: string): Verify {
  const jwks = buildGetJwks();
  return createVerifier({
    key: async ({ header }: { header: Record<string, unknown> }) =>
      jwks.getPublicKey({ domain: url, alg: String(header.alg), kid: String(header.kid) }),
    algorithms: ['RS256'],
    allowedIss: EXPECTED.issuer,
    allowedAud: EXPECTED.audience,
  });
}

function tampered(token: string): string {
  const { claims } = partsOf(token);
  const [header = '', , signature = ''] = token.split('.');
  const payload = JSON.stringify({ ...claims, sub: '00000000-0000-7000-8000-000000000000' });
  return `${header}.${base64url(payload)}.${signature}`;
}

const LIBRARIES = {
  jose: joseVerifier,
  'jwks-rsa with jsonwebtoken': jsonwebtokenVerifier,
  'get-jwks with fast-jwt': fastJwtVerifier,
};

t.test('a service with only the key set verifies access tokens, and accepts no other token as one', async (t) => {
  const database = await createDatabase(t);
  const { api, url } = await spawnService(t, { DATABASE_URL: database.ownerUrl, ...FULL_STRENGTH });
  const account = await newAccount(api);
  for (const [library, verifier] of Object.entries(LIBRARIES)) {
    await t.test(`with ${library}`, async (t) => {
      const verify = verifier(url);
      const claims = await verify(account.accessToken);
      t.match(claims, { sub: account.userId, sid: account.sessionId, org: account.organization.id });
      await t.rejects(verify(account.refreshToken), 'a refresh token is not an access token');
      await t.rejects(verify(tampered(account.accessToken)), 'a changed claim breaks the signature');
      const refreshed = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
      t.match(
        await verify(refreshed.body.data.accessToken),
        { sid: account.sessionId },
        'the next token of the session is valid too',
      );
    });
  }
});

t.test('the metadata names the issuer of the tokens and the URL of its keys', async (t) => {
  const database = await createDatabase(t);
  const { api } = await spawnService(t, { DATABASE_URL: database.ownerUrl });
  const { body } = await api.get('/.well-known/oauth-authorization-server');
  t.match(body, { issuer: EXPECTED.issuer, jwks_uri: `${EXPECTED.issuer}/.well-known/jwks.json` });
  const jwks = await api.get('/.well-known/jwks.json');
  for (const key of jwks.body.keys) {
    t.same(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'], 'the key has only public members');
  }
});
