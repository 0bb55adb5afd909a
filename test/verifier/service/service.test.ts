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

const NO_ORGANIZATION = { org: undefined, org_slug: undefined, roles: undefined, permissions: undefined };

/** Changes of the claims, each by its name. */
const changesOf = ({ exp, iat: issued, sub }: Members): Readonly<Record<string, Members>> => {
  const iat = Number(issued);
  return {
    'signed again': {},
    'with one more claim': { more: 1 },
    'roles of other letters': { roles: ['Geschäftsführung'] },
    'of the previous version, without the epochs of the membership and of the roles': {
      mep: undefined,
      rep: undefined,
    },
    'without an organization': { ...NO_ORGANIZATION, mep: undefined, rep: undefined },
    'the epoch of a membership without an organization': { ...NO_ORGANIZATION, rep: undefined },
    'the epoch of the roles without an organization': { ...NO_ORGANIZATION, mep: undefined },
    'a wrong epoch of a membership': { mep: '1' },
    'a wrong epoch of the roles': { rep: '1' },
    'rights without an organization': { org: undefined },
    'aud in a list': { aud: [AUDIENCE] },
    'aud of another': { aud: 'other' },
    'iss of another': { iss: `${ISSUER}/` },
    'no sid': { sid: undefined },
    'no epoch': { epoch: undefined },
    'exp a text': { exp: String(exp) },
    'exp with a fraction': { exp: iat + 100.5 },
    'too long a life': { exp: iat + 901 },
    'no life': { exp: iat },
    'long expired': { iat: iat - 2000, exp: iat - 1200 },
    'from far in the future': { iat: iat + 600, exp: iat + 1200 },
    'nbf a text': { nbf: 'now' },
    'a client of no client': { client_id: sub },
    'permissions twice over': { permissions_ref: true },
  };
};

/** Changes of the header. */
const HEADER_CHANGES: Readonly<Record<string, Members>> = {
  'typ JWT': { typ: 'JWT' },
  'typ in capital letters': { typ: 'AT+JWT' },
  'alg RS512': { alg: 'RS512' },
  'kid unknown': { kid: 'x' },
  'no kid': { kid: undefined },
  crit: { crit: [] },
  'a header member more': { x5t: 'x' },
};

/** Other ways to write the header and the payload of a token. */
const spellingsOf = (head: string, payload: string, exp: string): Readonly<Record<string, [string, string]>> => ({
  'whitespace in the header': [head.replaceAll(',', ', '), payload],
  'whitespace in the payload': [head, `${payload} `],
  'a claim twice': [head, payload.replace('{', `{"sub":"${randomUUID()}",`)],
  'alg twice': [head.replace('{', '{"alg":"none",'), payload],
  'a byte order mark': [head, `\ufeff${payload}`],
  'another spelling of a number': [head, payload.replace(exp, `${exp}.0`)],
});

/** Other ways to write the token itself. */
const textsOf = (token: string): Readonly<Record<string, string>> => ({
  padding: `${token}=`,
  'a changed signature': `${token.slice(0, -6)}AAAAAA`,
  'no signature': token.slice(0, token.lastIndexOf('.') + 1),
  'something behind it': `${token}.x`,
});

/** Returns the object with each value replaced. */
const mapped = <From, To>(values: Readonly<Record<string, From>>, change: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));

t.test('verifier and service accept and refuse the same tokens', async (t) => {
  const { api, account, verifierOf, credentials, keysDirectory } = await begin(t);
  const verifier = verifierOf(credentials, { revocation: false });
  const key = rsa(serviceKey(keysDirectory, 'access'));
  const { accessToken, refreshToken } = account;
  const { header, claims } = partsOf(accessToken);
  const spellings = spellingsOf(JSON.stringify(header), JSON.stringify(claims), String(claims.exp));
  const tokens: Record<string, string> = {
    'as it was issued': accessToken,
    'a refresh token': refreshToken,
    ...mapped(changesOf(claims), (changed) => forge({ header, claims: { ...claims, ...changed } }, key)),
    ...mapped(HEADER_CHANGES, (changed) => forge({ header: { ...header, ...changed }, claims }, key)),
    ...mapped(spellings, ([head, payload]) => compact(head, payload, key)),
    ...textsOf(accessToken),
  };
  t.equal(Object.keys(tokens).length, 43);
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
