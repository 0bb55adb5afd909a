// The verifier with the real service: both accept the same tokens, revocations arrive, and the verifier calls the
// service if necessary.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import {
  type ClientCredentials,
  createVerifier,
  type VerificationError,
  type VerifierOptions,
} from '../../../src/verifier/index.ts';
import { keyPair } from '../../access/client-authentication/signing.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { compact, forge, type Members, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const ISSUER = 'http://localhost:3000';
const AUDIENCE = 'tenantry';
const READER = { organizationId: null, permissions: ['revocations:read'] };

/** The service with an account and a client of the installation that may read the feed. */
async function begin(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const account = await newAccount(service.api);
  const { id: clientId, secret: clientSecret } = await seedClient(database, READER);
  const verifierOf = (credentials: ClientCredentials, more: Partial<VerifierOptions> = {}, errors: string[] = []) => {
    const verifier = createVerifier({
      issuer: ISSUER,
      audience: AUDIENCE,
      serviceUrl: service.url,
      revocation: { credentials },
      onError: ({ message }) => errors.push(message),
      ...more,
    });
    t.teardown(() => verifier.close());
    return verifier;
  };
  return { ...service, database, account, credentials: { clientId, clientSecret }, verifierOf };
}

const outcomeOf = (verifying: Promise<unknown>) =>
  verifying.then(
    () => 'good',
    ({ code }: VerificationError) => code,
  );

t.test('the verifier refuses a token shortly after the service has revoked it', async (t) => {
  const { api, account, credentials, verifierOf } = await begin(t);
  const verifier = verifierOf(credentials);
  await verifier.ready();
  t.match(await verifier.verify(account.accessToken), {
    kind: 'user',
    id: account.userId,
    sessionId: account.sessionId,
    organizationId: account.organization.id,
    permissions: ['*:*'],
  });
  const heard: { kind: string }[] = [];
  verifier.onRevocation((revocation) => heard.push(revocation));
  t.equal((await api.post('/auth/logout', undefined, { token: account.accessToken })).status, 204);
  await until(() => heard.length > 0);
  t.same(heard, [{ kind: 'session', sid: account.sessionId }]);
  t.equal(await outcomeOf(verifier.verify(account.accessToken)), 'session_revoked');
  const late = verifierOf(credentials);
  await late.ready();
  t.equal(
    await outcomeOf(late.verify(account.accessToken)),
    'session_revoked',
    'a token that the verifier has not seen is refused too',
  );
});

t.test('a client can read the feed with a secret and with a key', async (t) => {
  const { database, account, verifierOf } = await begin(t);
  for (const kind of ['rsa', 'P-256', 'P-384', 'P-521', 'ed25519'] as const) {
    const { privateKey, jwk } = keyPair(kind);
    const { id: clientId } = await seedClient(database, { ...READER, keys: [{ ...jwk, kid: 'k1' }] });
    const errors: string[] = [];
    const verifier = verifierOf({ clientId, privateKey, keyId: 'k1' }, {}, errors);
    await verifier.ready();
    t.equal(await outcomeOf(verifier.verify(account.accessToken)), 'good', kind);
    // A service that has just started answers 503 until it has read all revocations.
    t.same(
      errors.filter((message) => !/answered 503/.test(message)),
      [],
    );
  }
});

t.test('without the feed each token is introspected at the service, and the answer decides', async (t) => {
  const { api, account, credentials, verifierOf } = await begin(t);
  const verifier = verifierOf(credentials, { revocation: { credentials, feed: 'http://127.0.0.1:9/feed' } });
  t.equal(await outcomeOf(verifier.verify(account.accessToken)), 'good');
  await api.post('/auth/logout', undefined, { token: account.accessToken });
  const another = verifierOf(credentials, { revocation: { credentials, feed: 'http://127.0.0.1:9/feed' } });
  t.equal(await outcomeOf(another.verify(account.accessToken)), 'token_stale');
});

t.test('the error names the permission that a client needs to read the feed', async (t) => {
  const { database, verifierOf } = await begin(t);
  const { id: clientId, secret: clientSecret } = await seedClient(database, { organizationId: null });
  const errors: string[] = [];
  verifierOf({ clientId, clientSecret }, {}, errors);
  await until(() => errors.length > 0);
  t.match(errors[0], /403 instead of a stream: give the client the permission revocations:read/);
});

t.test('a client of one organization gets the events of that organization, and refuses tokens of others', async (t) => {
  const { api, database, account, verifierOf } = await begin(t);
  const other = await newAccount(api);
  const owned = { organizationId: account.organization.id, permissions: ['revocations:read'] };
  const { id: clientId, secret: clientSecret } = await seedClient(database, owned);
  const verifier = verifierOf({ clientId, clientSecret });
  await verifier.ready();
  t.equal(await outcomeOf(verifier.verify(account.accessToken)), 'good');
  t.equal(await outcomeOf(verifier.verify(other.accessToken)), 'invalid_token');
  await api.post('/auth/logout', undefined, { token: account.accessToken });
  const isOver = async () => (await outcomeOf(verifier.verify(account.accessToken))) === 'session_revoked';
  await until(isOver);
});

t.test('if the permissions do not fit into the token, the service is called with the token', async (t) => {
  const { account, credentials, verifierOf, keysDirectory } = await begin(t);
  const { header, claims } = partsOf(account.accessToken);
  const { permissions: _, ...rest } = claims;
  const small = forge({ header, claims: { ...rest, permissions_ref: true } }, rsa(serviceKey(keysDirectory, 'access')));
  const verifier = verifierOf(credentials);
  const principal = await verifier.verify(small);
  t.equal(principal.has('deals:write'), false);
  await verifier.authorize(principal, 'deals:write');
  await t.rejects(verifier.authorize({ ...principal } as typeof principal, 'deals:write'), TypeError);
});

t.test('verifier and service accept and refuse the same tokens', async (t) => {
  const { api, account, verifierOf, credentials, keysDirectory } = await begin(t);
  const verifier = verifierOf(credentials, { revocation: false });
  const key = serviceKey(keysDirectory, 'access');
  const { header, claims } = partsOf(account.accessToken);
  const changed = (claimChanges: Members, headerChanges: Members = {}) =>
    forge({ header: { ...header, ...headerChanges }, claims: { ...claims, ...claimChanges } }, rsa(key));
  const written = (head: string, payload: string) => compact(head, payload, rsa(key));
  const [head, payload] = [JSON.stringify(header), JSON.stringify(claims)];
  const iat = Number(claims.iat);
  const tokens: Record<string, string> = {
    'as it was issued': account.accessToken,
    'signed again': changed({}),
    'with one more claim': changed({ more: 1 }),
    'roles of other letters': changed({ roles: ['Geschäftsführung'] }),
    'of the previous version, without the epochs of the membership and of the roles': changed({
      mep: undefined,
      rep: undefined,
    }),
    'without an organization': changed({
      mep: undefined,
      rep: undefined,
      org: undefined,
      org_slug: undefined,
      roles: undefined,
      permissions: undefined,
    }),
    'the epoch of a membership without an organization': changed({
      rep: undefined,
      org: undefined,
      org_slug: undefined,
      roles: undefined,
      permissions: undefined,
    }),
    'the epoch of the roles without an organization': changed({
      mep: undefined,
      org: undefined,
      org_slug: undefined,
      roles: undefined,
      permissions: undefined,
    }),
    'a wrong epoch of a membership': changed({ mep: '1' }),
    'a wrong epoch of the roles': changed({ rep: '1' }),
    'rights without an organization': changed({ org: undefined }),
    'typ JWT': changed({}, { typ: 'JWT' }),
    'typ in capital letters': changed({}, { typ: 'AT+JWT' }),
    'a refresh token': account.refreshToken,
    'alg RS512': changed({}, { alg: 'RS512' }),
    'kid unknown': changed({}, { kid: 'x' }),
    'no kid': changed({}, { kid: undefined }),
    crit: changed({}, { crit: [] }),
    'a header member more': changed({}, { x5t: 'x' }),
    'aud in a list': changed({ aud: [AUDIENCE] }),
    'aud of another': changed({ aud: 'other' }),
    'iss of another': changed({ iss: `${ISSUER}/` }),
    'no sid': changed({ sid: undefined }),
    'no epoch': changed({ epoch: undefined }),
    'exp a text': changed({ exp: String(claims.exp) }),
    'exp with a fraction': changed({ exp: iat + 100.5 }),
    'too long a life': changed({ exp: iat + 901 }),
    'no life': changed({ exp: iat }),
    'long expired': changed({ iat: iat - 2000, exp: iat - 1200 }),
    'from far in the future': changed({ iat: iat + 600, exp: iat + 1200 }),
    'nbf a text': changed({ nbf: 'now' }),
    'a client of no client': changed({ client_id: claims.sub }),
    'permissions twice over': changed({ permissions_ref: true }),
    'whitespace in the header': written(head.replaceAll(',', ', '), payload),
    'whitespace in the payload': written(head, `${payload} `),
    'a claim twice': written(head, payload.replace('{', `{"sub":"${randomUUID()}",`)),
    'alg twice': written(head.replace('{', '{"alg":"none",'), payload),
    'a byte order mark': written(head, `\ufeff${payload}`),
    'another spelling of a number': written(head, payload.replace(String(claims.exp), `${claims.exp}.0`)),
    padding: `${account.accessToken}=`,
    'a changed signature': `${account.accessToken.slice(0, -6)}AAAAAA`,
    'no signature': account.accessToken.slice(0, account.accessToken.lastIndexOf('.') + 1),
    'something behind it': `${account.accessToken}.x`,
  };
  const accepted: string[] = [];
  for (const [name, token] of Object.entries(tokens)) {
    const { status, code } = await api.get('/me', { token });
    const outcome = await outcomeOf(verifier.verify(token));
    t.equal(outcome, status === 200 ? 'good' : code, name);
    if (status === 200) accepted.push(name);
  }
  t.same(accepted, [
    'as it was issued',
    'signed again',
    'with one more claim',
    'roles of other letters',
    'of the previous version, without the epochs of the membership and of the roles',
    'without an organization',
  ]);
});
