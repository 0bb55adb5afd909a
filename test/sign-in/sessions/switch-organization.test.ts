// One user in several organizations: tokens for another organization, with and without a refresh token in the request.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { ageRotation, sessionRow } from './rows.ts';

/** A user who owns one organization and is an agent in globex. */
async function member(t: Test) {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const account = await newAccount(api);
  return { database, api, account, globex: await seedOrganizationOf(database, account.userId, { slug: 'globex' }) };
}

t.test('a refresh can return a token for another organization without changing the session', async (t) => {
  const { database, api, account, globex } = await member(t);
  const { refreshToken } = account;
  const own = (await api.post('/auth/refresh', { refreshToken })).body.data;
  for (const organization of [globex, 'globex', 'GLOBEX']) {
    const other = (await api.post('/auth/refresh', { refreshToken, organization })).body.data;
    t.match(partsOf(other.accessToken).claims, {
      org: globex,
      org_slug: 'globex',
      roles: ['agent'],
      sid: account.sessionId,
    });
    t.match(other.organization, { id: globex });
    t.equal(other.refreshToken, own.refreshToken, 'two tabs share one refresh token');
  }
  t.equal((await sessionRow(database, account.sessionId)).organization_id, account.organization.id);
  const next = (await api.post('/auth/refresh', { refreshToken: own.refreshToken })).body.data;
  t.equal(next.organization.id, account.organization.id, 'the session still acts for its own organization');
});

t.test('a foreign organization is refused like an unknown one, and the refresh token is not used up', async (t) => {
  const { database, api, account } = await member(t);
  const stranger = await newAccount(api);
  const before = await sessionRow(database, account.sessionId);
  const answers = [];
  for (const organization of [stranger.organization.id, stranger.organization.slug, 'no-such', account.sessionId]) {
    const refreshed = await api.post('/auth/refresh', { refreshToken: account.refreshToken, organization });
    const switched = await api.post('/auth/switch-organization', { organization }, { token: account.accessToken });
    for (const reply of [refreshed, switched]) {
      t.match(reply, { status: 403, code: 'organization_access_denied' });
      answers.push(JSON.stringify({ ...reply.body, requestId: '' }));
    }
  }
  t.equal(new Set(answers).size, 1, 'all answers have the same text');
  t.same(await sessionRow(database, account.sessionId), before);
});

t.test('a switch with only an access token changes the session and returns no refresh token', async (t) => {
  const { database, api, account, globex } = await member(t);
  const before = await sessionRow(database, account.sessionId);
  const reply = await api.post('/auth/switch-organization', { organization: 'globex' }, { token: account.accessToken });
  t.equal(reply.status, 200);
  t.notOk('refreshToken' in reply.body.data);
  t.same(reply.setCookie, []);
  t.match(partsOf(reply.body.data.accessToken).claims, { org: globex, sid: account.sessionId, roles: ['agent'] });
  const after = await sessionRow(database, account.sessionId);
  t.equal(after.organization_id, globex);
  t.same(
    [after.confirmed, after.successor],
    [before.confirmed, before.successor],
    'the refresh tokens of the session have not changed',
  );
  const next = (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).body.data;
  t.equal(next.organization.id, globex, 'from now on the session acts for the other organization');
});

t.test('a switch with the refresh token also replaces the token, and the session keeps the organization', async (t) => {
  const { api, account, globex, database } = await member(t);
  const { accessToken: token, refreshToken } = account;
  const reply = await api.post('/auth/switch-organization', { organization: 'globex', refreshToken }, { token });
  t.equal(reply.status, 200);
  t.match(reply.body.data, { sessionId: account.sessionId, organization: { id: globex } });
  t.equal(partsOf(reply.body.data.refreshToken).claims.prt, partsOf(refreshToken).claims.jti);
  t.equal((await sessionRow(database, account.sessionId)).organization_id, globex);
  const next = await api.post('/auth/refresh', { refreshToken: reply.body.data.refreshToken });
  t.equal(next.body.data.organization.id, globex);
  await ageRotation(database, account.sessionId);
  const reused = await api.post('/auth/switch-organization', { organization: 'globex', refreshToken }, { token });
  t.equal(reused.code, 'refresh_token_reused', 'the refresh token in a switch is checked for reuse');
});

t.test('a switch accepts only the refresh token of its own session', async (t) => {
  const { database, api, account } = await member(t);
  const stranger = await newAccount(api);
  const second = (await api.post('/auth/login', { email: account.email, password: account.password })).body.data;
  for (const refreshToken of [stranger.refreshToken, second.refreshToken, account.accessToken, 'nonsense']) {
    const body = { organization: 'globex', refreshToken };
    const reply = await api.post('/auth/switch-organization', body, { token: account.accessToken });
    t.match(reply, { status: 401, code: 'invalid_refresh_token' });
  }
  t.equal((await sessionRow(database, stranger.sessionId)).successor, null);
  t.equal((await sessionRow(database, second.sessionId)).successor, null);
});

t.test('a switch needs a valid access token of a live session', async (t) => {
  const { api, account } = await member(t);
  const body = { organization: 'globex', refreshToken: account.refreshToken };
  t.equal((await api.post('/auth/switch-organization', body)).code, 'unauthenticated');
  await api.post('/auth/logout', { refreshToken: account.refreshToken });
  const { accessToken: token } = account;
  t.equal((await api.post('/auth/switch-organization', body, { token })).code, 'session_revoked');
});
