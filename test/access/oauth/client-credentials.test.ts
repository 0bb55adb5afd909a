// grant_type=client_credentials (RFC 6749 §4.4): the token of a service client and its content. Nothing in a request
// adds rights to the token.
import t, { type Test } from 'tap';
import { type SeededClient, seedClient } from '../../support/fixtures/clients.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { ISSUER } from '../client-authentication/signing.ts';
import { basic, inBody, type Parameters, post, refusedByOAuth } from './calls.ts';

const TOKEN = '/oauth/token';

async function open(t: Test, permissions: readonly string[] = ['contacts:read', 'deals:*'], audience?: string) {
  const team = await openTeam(t);
  const settings = {
    organizationId: team.organization.id,
    permissions,
    ...(audience === undefined ? {} : { audience }),
  };
  const client = await seedClient(team.database, settings);
  const ask = (parameters: Parameters = {}, as: SeededClient | string = client) =>
    post(team.api, TOKEN, { grant_type: 'client_credentials', ...parameters }, as);
  return { ...team, client, ask };
}

t.test('a client gets a token for its organization, and no refresh token', async (t) => {
  const { api, ask, client, organization } = await open(t);
  const { body } = await ask();
  t.strictSame(Object.keys(body).sort(), ['access_token', 'expires_in', 'scope', 'token_type']);
  t.match(body, { token_type: 'Bearer', expires_in: 900, scope: 'contacts:read deals:*' });
  const { header, claims } = partsOf(body.access_token);
  t.match(header, { alg: 'RS256', typ: 'at+jwt' });
  const { jti, iat, exp, ...said } = claims;
  t.match(jti, /^[0-9a-f-]{36}$/);
  t.equal(Number(exp) - Number(iat), 900);
  t.strictSame(said, {
    iss: ISSUER,
    aud: 'tenantry',
    sub: client.id,
    client_id: client.id,
    epoch: 0,
    org: organization.id,
    org_slug: organization.slug,
    permissions: ['contacts:read', 'deals:*'],
  });
  t.equal(
    (await api.get('/me', { token: body.access_token })).code,
    'user_required',
    'routes for users refuse the token',
  );
  t.not((await ask()).body.access_token, body.access_token, 'each token has its own id');
});

t.test('a client of the installation gets a token that acts for no organization', async (t) => {
  const { api, database } = await open(t);
  const client = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  const { body } = await post(api, TOKEN, { grant_type: 'client_credentials' }, client);
  const { claims } = partsOf(body.access_token);
  t.match(claims, { sub: client.id, permissions: ['revocations:read'] });
  t.notOk('org' in claims || 'org_slug' in claims);
});

t.test('a requested scope reduces the permissions in the token', async (t) => {
  const { ask } = await open(t);
  for (const [scope, permissions] of [
    ['contacts:read', ['contacts:read']],
    ['deals:write', ['deals:write']],
    ['deals:*', ['deals:*']],
    ['deals:write contacts:read deals:write', ['contacts:read', 'deals:write']],
  ] as const) {
    const { body } = await ask({ scope });
    t.same(partsOf(body.access_token).claims.permissions, permissions, scope);
    t.equal(body.scope, permissions.join(' '), 'the answer reports the reduced scope');
  }
  const all = await open(t, ['*:*']);
  for (const scope of ['*:*', 'deals:*', '*:read', 'deals:read']) {
    t.equal((await all.ask({ scope })).body.scope, scope, 'the widest scope covers every other');
  }
});

t.test('no scope gives a permission that the client does not have, and an invalid scope gets no token', async (t) => {
  const { ask } = await open(t);
  const wider = ['contacts:write', 'contacts:*', '*:read', '*:*', '*:write', 'deal:read', 'clients:manage'];
  const malformed = ' |  |contacts|contacts:|:read|a:b:c|CONTACTS:read|contacts:read |contacts:read  deals:read'.split(
    '|',
  );
  for (const scope of [
    ...wider,
    ...wider.map((wide) => `contacts:read ${wide}`),
    ...malformed,
    ' contacts:read',
    'contacts:read\tdeals:read',
    'contacts:read,deals:read',
    'contacts:read\n',
    'cöntacts:read',
    'openid',
    '__proto__:constructor',
    Array.from({ length: 201 }, (_, n) => `deals:a${n}`).join(' '),
  ]) {
    refusedByOAuth(t, await ask({ scope }), 'invalid_scope', JSON.stringify(scope.slice(0, 40)));
  }
  const none = await open(t, []);
  refusedByOAuth(t, await none.ask({ scope: 'contacts:read' }), 'invalid_scope', 'a client without permissions');
  const { body } = await none.ask();
  t.notOk('scope' in body, 'this client gets a token without permissions');
  t.same(partsOf(body.access_token).claims.permissions, []);
});

t.test('a token has the audience of its client, and a request for another audience is refused', async (t) => {
  const plain = await open(t);
  const own = await open(t, ['contacts:read'], 'https://crm.example');
  for (const { ask, aud } of [
    { ask: plain.ask, aud: 'tenantry' },
    { ask: own.ask, aud: 'https://crm.example' },
  ]) {
    for (const asked of [{}, { resource: aud }, { audience: aud }, { resource: aud, audience: aud }]) {
      t.equal(partsOf((await ask(asked)).body.access_token).claims.aud, aud);
    }
    for (const other of ['https://elsewhere.example', 'https://crm.example/', 'TENANTRY', `${aud} `, 'a']) {
      refusedByOAuth(t, await ask({ resource: other }), 'invalid_target', other);
      refusedByOAuth(t, await ask({ resource: aud, audience: other }), 'invalid_target', other);
    }
  }
  const { body } = await own.ask();
  t.equal(
    (await own.api.get('/users', { token: body.access_token })).code,
    'invalid_token',
    'the token is not for the service itself',
  );
});

t.test('an unsupported grant type is refused, the password grant included', async (t) => {
  const { api, client, ask } = await open(t);
  const user = { username: 'ada@example.com', password: 'correct horse battery' };
  for (const grant of [
    'password',
    'authorization_code',
    'implicit',
    'urn:ietf:params:oauth:grant-type:token-exchange',
    'urn:ietf:params:oauth:grant-type:jwt-bearer',
    'urn:ietf:params:oauth:grant-type:device_code',
    'Client_Credentials',
    'client_credentials ',
    'client_credentials refresh_token',
    'constructor',
  ]) {
    const parameters = { ...user, grant_type: grant };
    refusedByOAuth(t, await ask(parameters), 'unsupported_grant_type', grant);
    refusedByOAuth(t, await post(api, TOKEN, parameters), 'unsupported_grant_type', `${grant} of nobody`);
  }
  refusedByOAuth(t, await post(api, TOKEN, {}, client), 'invalid_request', 'a request without a grant type');
});

t.test('a client that is disabled, or whose organization is suspended, gets no token in that time', async (t) => {
  const { api, database, client, ask, organization } = await open(t);
  const states = [
    ['clients', 'disabled', client.id],
    ['organizations', 'suspended', organization.id],
  ] as const;
  for (const [table, status, id] of states) {
    await database.query(`UPDATE ${table} SET status = $1 WHERE id = $2`, [status, id]);
    refusedByOAuth(t, await ask(), 'invalid_client', `${table} ${status}`);
    await database.query(`UPDATE ${table} SET status = 'active' WHERE id = $1`, [id]);
    t.equal((await ask()).status, 200);
  }
  await database.query('DELETE FROM organizations WHERE id = $1', [organization.id]);
  refusedByOAuth(
    t,
    await post(api, TOKEN, { grant_type: 'client_credentials', ...inBody(client) }),
    'invalid_client',
    'gone',
  );
});

t.test('a header that names an organization does not change the organization of a token', async (t) => {
  const { api, client, organization, database } = await open(t);
  const other = await seedClient(database, { organizationId: null });
  for (const named of [organization.slug, other.id, 'elsewhere']) {
    const reply = await api.call('POST', TOKEN, undefined, {
      raw: 'grant_type=client_credentials',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic(client),
        'x-tenant-id': named,
      },
    });
    t.equal(partsOf(reply.body.access_token).claims.org, organization.id, named);
  }
});
