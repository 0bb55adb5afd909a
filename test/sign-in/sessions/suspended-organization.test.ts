// A session whose organization is suspended: which requests are refused, and how the user moves to another
// organization.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { sessionRow } from './rows.ts';

/** A user of two organizations. The session acts for the suspended organization. The other organization is globex. */
async function suspended(t: Test) {
  const database = await createDatabase(t);
  const { api, app, clock } = await openService(t, database);
  const account = await newAccount(api);
  const globex = await seedOrganizationOf(database, account.userId, { slug: 'globex' });
  const { id } = account.organization;
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [id]);
  await database.query(
    `INSERT INTO revocations (id, kind, subject, state) VALUES (gen_random_uuid(), 'organization', $1, 'suspended')`,
    [id],
  );
  await app.parts.revocations.synchronize();
  return { database, api, clock, account, globex, token: account.accessToken };
}

t.test('most routes refuse the access token with 401, and a refresh is refused with 403', async (t) => {
  const { api, account, token } = await suspended(t);
  for (const reply of [
    await api.get('/me', { token }),
    await api.patch('/me', { name: 'Grace' }, { token }),
    await api.post('/organizations', { name: 'Another' }, { token }),
    await api.post('/tenants', { name: 'Another' }, { token }),
  ]) {
    t.match(reply, { status: 401, code: 'organization_suspended' });
    t.match(reply.headers.get('www-authenticate'), /^Bearer error="invalid_token"/);
  }
  const { refreshToken } = account;
  t.match(await api.post('/auth/refresh', { refreshToken }), { status: 403, code: 'organization_suspended' });
});

t.test('with only an access token the user can list organizations and move the session to another', async (t) => {
  const { database, api, account, globex, token } = await suspended(t);
  const own = await api.get('/me/organizations', { token });
  t.equal(own.status, 200);
  t.match(
    own.body,
    { data: [{ organization: { id: globex } }], pagination: { total: 1 } },
    'the list shows the other organization',
  );
  const reply = await api.post('/auth/switch-organization', { organization: 'globex' }, { token });
  t.equal(reply.status, 200);
  t.match(partsOf(reply.body.data.accessToken).claims, { org: globex, sid: account.sessionId });
  t.equal((await api.get('/me', { token: reply.body.data.accessToken })).body.data.organization.id, globex);
  t.equal((await sessionRow(database, account.sessionId)).organization_id, globex);
  const next = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  t.equal(next.status, 200, 'a refresh that names no organization is for the new organization');
  t.equal(next.body.data.organization.id, globex);
});

t.test('a switch with access token and refresh token also moves the session to another organization', async (t) => {
  const { database, api, account, globex, token } = await suspended(t);
  const body = { organization: 'globex', refreshToken: account.refreshToken };
  const reply = await api.post('/auth/switch-organization', body, { token });
  t.equal(reply.status, 200);
  t.equal((await sessionRow(database, account.sessionId)).organization_id, globex);
  const next = await api.post('/auth/refresh', { refreshToken: reply.body.data.refreshToken });
  t.equal(next.body.data?.organization.id, globex);
});

t.test('with an expired access token, a refresh that names another organization works', async (t) => {
  const { database, api, clock, account, globex, token } = await suspended(t);
  clock.advance(900);
  const body = { organization: 'globex' };
  t.equal((await api.post('/auth/switch-organization', body, { token })).code, 'token_expired');
  const refreshed = await api.post('/auth/refresh', { ...body, refreshToken: account.refreshToken });
  t.equal(refreshed.status, 200);
  const fresh = refreshed.body.data.accessToken;
  t.equal((await api.post('/auth/switch-organization', body, { token: fresh })).status, 200);
  t.equal((await sessionRow(database, account.sessionId)).organization_id, globex);
});

t.test('a switch to the suspended organization or to a foreign organization is refused', async (t) => {
  const { database, api, account, token } = await suspended(t);
  const stranger = await newAccount(api);
  const before = await sessionRow(database, account.sessionId);
  const to = (organization: string) => api.post('/auth/switch-organization', { organization }, { token });
  t.match(await to(account.organization.id), { status: 403, code: 'organization_suspended' });
  t.match(await to(stranger.organization.id), { status: 403, code: 'organization_access_denied' });
  t.same(await sessionRow(database, account.sessionId), before);
});

t.test('a user of a suspended organization can list and end their own sessions', async (t) => {
  const { api, account, token } = await suspended(t);
  const { email, password } = account;
  const signIn = async () => (await api.post('/auth/login', { email, password, organization: 'globex' })).body.data;
  const [second, third] = [await signIn(), await signIn()];
  t.equal((await api.get('/me/sessions', { token })).body.pagination?.total, 3);
  t.equal((await api.delete(`/me/sessions/${second.sessionId}`, { token })).status, 204);
  t.match((await api.delete('/me/sessions', { token })).body, { data: { ended: 1 } });
  t.equal((await api.get('/me', { token: third.accessToken })).code, 'session_revoked');
});

t.test('an ended session is refused, whether its organization is suspended or not', async (t) => {
  const { api, account, token } = await suspended(t);
  await api.post('/auth/logout', { refreshToken: account.refreshToken });
  for (const reply of [
    await api.post('/auth/switch-organization', { organization: 'globex' }, { token }),
    await api.get('/me/organizations', { token }),
    await api.get('/me/sessions', { token }),
    await api.delete('/me/sessions', { token }),
  ]) {
    t.match(reply, { status: 401, code: 'session_revoked' });
  }
});
