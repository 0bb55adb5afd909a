// Which users get no token for a valid refresh token, and that a refusal does not use up the token. Also: a token works
// only for the purpose of its kind.
import t, { type Test } from 'tap';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { forge, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { countRows } from '../../support/rows.ts';
import { openService, type Service } from '../../support/service.ts';
import { sessionRow } from './rows.ts';

interface Refusal {
  readonly who: string;
  readonly code: string;
  /** SQL for the user $1 and the organization $2. `undo` reverses the effect of `change`. */
  readonly change: string;
  readonly undo: string;
}

const REFUSALS: readonly Refusal[] = [
  {
    who: 'a disabled user',
    code: 'account_disabled',
    change: "UPDATE users SET status = 'disabled' WHERE id = $1 AND $2::uuid IS NOT NULL",
    undo: "UPDATE users SET status = 'active' WHERE id = $1 AND $2::uuid IS NOT NULL",
  },
  {
    who: 'a suspended organization',
    code: 'organization_suspended',
    change: "UPDATE organizations SET status = 'suspended' WHERE id = $2 AND $1::uuid IS NOT NULL",
    undo: "UPDATE organizations SET status = 'active' WHERE id = $2 AND $1::uuid IS NOT NULL",
  },
  {
    who: 'a suspended member',
    code: 'organization_access_denied',
    change: "UPDATE memberships SET status = 'suspended' WHERE user_id = $1 AND organization_id = $2",
    undo: "UPDATE memberships SET status = 'active' WHERE user_id = $1 AND organization_id = $2",
  },
];

async function opened(t: Test): Promise<Service & { database: TestDatabase; account: Account }> {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  return { ...service, database, account: await newAccount(service.api) };
}

for (const { who, code, change, undo } of REFUSALS) {
  t.test(`${who} gets no new token, and the refresh token is not used up`, async (t) => {
    const { api, database, account } = await opened(t);
    const { refreshToken } = (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).body.data;
    const subject = [account.userId, account.organization.id];
    const before = await sessionRow(database, account.sessionId);
    const events = await countRows(database, 'events');
    await database.query(change, subject);
    for (const body of [{ refreshToken }, { refreshToken, organization: account.organization.slug }]) {
      const reply = await api.post('/auth/refresh', body);
      t.match(reply, { status: 403, code });
      t.notOk(reply.body.data);
      t.same(reply.setCookie, []);
    }
    t.same(await sessionRow(database, account.sessionId), before, 'the session row has not changed');
    t.equal(await countRows(database, 'events'), events);
    await database.query(undo, subject);
    t.equal(
      (await api.post('/auth/refresh', { refreshToken })).status,
      200,
      'the same token works after the refusal is undone',
    );
  });
}

t.test('a removed member gets no token for the organization, and no token with its data', async (t) => {
  const { api, database, account } = await opened(t);
  await database.query('DELETE FROM memberships WHERE user_id = $1', [account.userId]);
  const { refreshToken, organization } = account;
  const before = await sessionRow(database, account.sessionId);
  for (const named of [organization.id, organization.slug]) {
    const reply = await api.post('/auth/refresh', { refreshToken, organization: named });
    t.match(reply, { status: 403, code: 'organization_access_denied' });
  }
  t.same(await sessionRow(database, account.sessionId), before, 'the refusal does not use up the token');
  const reply = await api.post('/auth/refresh', { refreshToken });
  if (reply.status === 200) {
    const { claims } = partsOf(reply.body.data.accessToken);
    for (const claim of ['org', 'org_slug', 'roles', 'permissions', 'permissions_ref']) t.notOk(claim in claims, claim);
    t.match(reply.body.data, { organization: null, roles: [], memberships: [] });
  } else t.match(reply, { status: 403, code: 'organization_access_denied' });
});

t.test('the sessions of a deleted user cannot be refreshed', async (t) => {
  const { api, database, account } = await opened(t);
  await database.query('DELETE FROM users WHERE id = $1', [account.userId]);
  const { refreshToken } = account;
  t.match(await api.post('/auth/refresh', { refreshToken }), { status: 401, code: 'invalid_refresh_token' });
});

t.test('a refused organization does not stop a refresh for another organization of the user', async (t) => {
  const { api, database, account } = await opened(t);
  await seedOrganizationOf(database, account.userId, { slug: 'globex' });
  await database.query("UPDATE organizations SET status = 'suspended' WHERE id = $1", [account.organization.id]);
  const { refreshToken } = account;
  t.equal((await api.post('/auth/refresh', { refreshToken })).code, 'organization_suspended');
  const reply = await api.post('/auth/refresh', { refreshToken, organization: 'globex' });
  t.match(reply.body.data, { organization: { slug: 'globex' }, roles: ['agent'] });
});

t.test('each refresh reads the current roles and permissions', async (t) => {
  const { api, database, account } = await opened(t);
  await database.query(
    `UPDATE role_assignments a SET role_id = r.id FROM roles r
     WHERE a.user_id = $1 AND r.organization_id IS NULL AND r.name = 'viewer'`,
    [account.userId],
  );
  const { data } = (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).body;
  t.same(data.roles, ['viewer']);
  t.same(partsOf(data.accessToken).claims.permissions, ['contacts:read', 'conversations:read', 'deals:read']);
});

t.test('an access token is refused as a refresh token, and a refresh token as an access token', async (t) => {
  const { api, database, account } = await opened(t);
  const before = await sessionRow(database, account.sessionId);
  const { accessToken, refreshToken } = account;
  const swapped = await api.post('/auth/refresh', { refreshToken: accessToken });
  t.match(swapped, { status: 401, code: 'invalid_refresh_token' });
  t.match(await api.get('/me', { token: refreshToken }), { status: 401, code: 'invalid_token' });
  t.equal((await api.post('/auth/logout', { refreshToken: accessToken })).status, 204);
  t.equal((await api.post('/auth/logout', undefined, { token: refreshToken })).status, 204);
  t.same(
    await sessionRow(database, account.sessionId),
    before,
    'a logout with the wrong kind of token does not change the session',
  );
  t.equal((await api.get('/me', { token: accessToken })).status, 200);
  t.equal((await api.post('/auth/refresh', { refreshToken })).status, 200);
});

t.test('a refresh token with a wrong key, type, issuer, audience or claim is refused', async (t) => {
  const { api, database, account, keysDirectory } = await opened(t);
  const good = partsOf(account.refreshToken);
  const own = rsa(serviceKey(keysDirectory, 'refresh'));
  const access = partsOf(account.accessToken).header.kid;
  const before = await sessionRow(database, account.sessionId);
  const changed = (claims: object) => forge({ ...good, claims: { ...good.claims, ...claims } }, own);
  const mutations: Record<string, string> = {
    'typ of an access token': forge({ ...good, header: { ...good.header, typ: 'at+jwt' } }, own),
    'typ JWT': forge({ ...good, header: { ...good.header, typ: 'JWT' } }, own),
    'the access key': forge(
      { ...good, header: { ...good.header, kid: access } },
      rsa(serviceKey(keysDirectory, 'access')),
    ),
    RS512: forge(
      { ...good, header: { ...good.header, alg: 'RS512' } },
      rsa(serviceKey(keysDirectory, 'refresh'), 'sha512'),
    ),
    'another issuer': changed({ iss: 'https://elsewhere.example' }),
    'the audience of access tokens': changed({ aud: 'tenantry' }),
    'an array as audience': changed({ aud: [good.claims.iss] }),
    'no parent': changed({ prt: undefined }),
    'an unknown session': changed({ sid: '01970000-0000-7000-8000-000000000000' }),
    'another user': changed({ sub: '01970000-0000-7000-8000-000000000000' }),
    'an expiry as text': changed({ exp: 'tomorrow' }),
    'a jti that is not an id': changed({ jti: "' OR true --" }),
  };
  for (const [what, refreshToken] of Object.entries(mutations)) {
    t.match(await api.post('/auth/refresh', { refreshToken }), { status: 401, code: 'invalid_refresh_token' }, what);
  }
  t.same(await sessionRow(database, account.sessionId), before, 'the refused tokens did not change the session');
  t.equal((await api.post('/auth/refresh', { refreshToken: changed({}) })).status, 200, 'the unchanged token is valid');
});
