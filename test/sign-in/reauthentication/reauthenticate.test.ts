// A signed-in user proves again who they are: the time of the proof moves, and nothing else of the session changes.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { age, authTimeOf } from './proving.ts';

t.test('the right password renews auth_time, which refreshing and switching keep', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token, refreshToken, sessionId, password, organization } = await newAccount(api);
  await age(database, sessionId, 3_600);
  const old = await api.post('/auth/refresh', { refreshToken });
  const begun = authTimeOf(token);
  t.equal(authTimeOf(old.body.data.accessToken), begun - 3_600, 'a session without another proof');
  const proven = await api.post('/auth/reauthenticate', { password }, { token });
  t.equal(proven.status, 200, proven.text);
  const { data } = proven.body;
  t.equal('refreshToken' in data, false, 'no refresh token');
  t.equal(data.sessionId, sessionId);
  t.equal(data.organization.id, organization.id);
  const provenAt = authTimeOf(data.accessToken);
  t.ok(provenAt >= begun);
  t.equal((await api.get('/me', { token: data.accessToken })).status, 200);
  t.equal((await api.get('/me', { token })).status, 200, 'older access tokens stay valid');
  const refreshed = await api.post('/auth/refresh', { refreshToken: old.body.data.refreshToken });
  t.equal(refreshed.status, 200, 'the chain of refresh tokens goes on');
  t.equal(authTimeOf(refreshed.body.data.accessToken), provenAt);
  const switched = await api.post('/auth/switch-organization', { organization: organization.id }, { token });
  t.equal(authTimeOf(switched.body.data.accessToken), provenAt);
  t.same(await eventsAbout(database, sessionId), [
    'session.opened',
    'session.reauthenticated',
    'session.organization_switched',
  ]);
});

t.test('a wrong password renews nothing and gets its own code', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token, sessionId } = await newAccount(api);
  const other = await newAccount(api);
  for (const password of ['wrong', other.password]) {
    refused(t, await api.post('/auth/reauthenticate', { password }, { token }), 'wrong_password', '403');
  }
  t.match(await database.query('SELECT authenticated_at FROM sessions WHERE id = $1', [sessionId]), [
    { authenticated_at: null },
  ]);
});

t.test('wrong passwords here and at the sign-in are counted together', async (t) => {
  const database = await createDatabase(t);
  const settings = { RATE_LIMIT_ENABLED: 'true', LOGIN_FAILURES_MAX: '4', RATE_LIMIT_SIGN_IN: '1000' };
  const { api } = await openService(t, database, settings);
  const { accessToken: token, email, password } = await newAccount(api);
  const wrong = () => api.post('/auth/reauthenticate', { password: 'wrong' }, { token });
  t.equal((await wrong()).code, 'wrong_password');
  t.equal(
    (await api.post('/auth/login', { email: email.toUpperCase(), password: 'wrong' })).code,
    'invalid_credentials',
  );
  t.equal((await wrong()).code, 'wrong_password');
  t.equal((await wrong()).code, 'wrong_password');
  t.equal((await wrong()).code, 'too_many_requests');
  t.equal((await api.post('/auth/reauthenticate', { password }, { token })).code, 'too_many_requests');
  t.equal((await api.post('/auth/login', { email, password })).code, 'too_many_requests');
});

t.test('only the user of a live session can prove again who they are', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const { accessToken: token, sessionId, password, organization } = await newAccount(api);
  refused(t, await api.post('/auth/reauthenticate', { password }), 'unauthenticated', 'nobody');
  const { id } = await seedClient(database, { organizationId: organization.id, permissions: ['users:read'] });
  const client = await tokenOfClient(app, database, id);
  refused(t, await api.post('/auth/reauthenticate', { password }, { token: client }), 'user_required', 'a client');
  // Another process ended the session a moment ago.
  await database.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE id = $1`, [sessionId]);
  refused(t, await api.post('/auth/reauthenticate', { password }, { token }), 'session_revoked', 'an ended session');
  t.same(await database.query('SELECT 1 FROM sessions WHERE authenticated_at IS NOT NULL'), []);
});

t.test('a user without a password is told how to set one', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token, userId, password } = await newAccount(api);
  await database.query('DELETE FROM passwords WHERE user_id = $1', [userId]);
  const reply = await api.post('/auth/reauthenticate', { password }, { token });
  refused(t, reply, 'password_not_set', '409');
  t.match(reply.body.detail, 'forgot-password');
});
