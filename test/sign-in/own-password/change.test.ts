// A signed-in user changes the password. All other sessions and all older tokens end, and the session of the request
// goes on. A refusal changes nothing.
import t, { type Test } from 'tap';
import { findOneTime } from '../../../src/credentials/one-time/consume.ts';
import { createOneTime } from '../../../src/credentials/one-time/create.ts';
import { EVERY_PURPOSE } from '../../../src/credentials/one-time/purposes.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { age, authTimeOf } from '../reauthentication/proving.ts';

const NEW = 'four other unrelated words';

async function openChanging(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const service = await openService(t, database, settings);
  const account = await newAccount(service.api);
  const { email, password, accessToken: token } = account;
  const login = (typed = password) => service.api.post('/auth/login', { email, password: typed });
  const change = (currentPassword: string, newPassword = NEW, as = token) =>
    service.api.post('/me/password', { currentPassword, newPassword }, { token: as });
  return { database, ...service, account, login, change };
}

t.test('a change ends every other session and older token, and the session of the request goes on', async (t) => {
  const { database, api, account, login, change } = await openChanging(t);
  const { userId, sessionId, password, accessToken, refreshToken } = account;
  const other = (await login()).body.data;
  const stranger = await newAccount(api);
  await age(database, sessionId, 3_600);
  const changed = await change(password);
  t.equal(changed.status, 200, changed.text);
  const { data } = changed.body;
  t.equal(data.sessionId, sessionId);
  t.equal('refreshToken' in data, false);
  t.ok(authTimeOf(data.accessToken) >= authTimeOf(accessToken), 'the current password was a fresh proof');
  t.equal((await api.get('/me', { token: data.accessToken })).status, 200);
  t.equal((await api.get('/me', { token: accessToken })).code, 'token_stale', 'the older token of the same session');
  const refreshed = await api.post('/auth/refresh', { refreshToken });
  t.equal(refreshed.status, 200, 'the same session is refreshed');
  t.equal(refreshed.body.data.sessionId, sessionId);
  t.equal((await api.get('/me', { token: other.accessToken })).code, 'session_revoked');
  t.equal((await api.post('/auth/refresh', { refreshToken: other.refreshToken })).code, 'session_revoked');
  t.equal((await api.get('/me', { token: stranger.accessToken })).status, 200, 'nobody else notices');
  t.equal((await login()).code, 'invalid_credentials');
  t.equal((await login(NEW)).status, 200);
  t.same(await eventsAbout(database, userId), ['user.registered', 'user.password_changed']);
  const ended = await database.query(`SELECT data FROM events WHERE type = 'session.ended' AND target_id = $1`, [
    other.sessionId,
  ]);
  t.match(ended, [{ data: { reason: 'password_changed' } }]);
});

t.test('a change ends what could reset the password or change the e-mail, and keeps the way back', async (t) => {
  const { app, database, account, change } = await openChanging(t);
  const { db } = app.parts;
  const { userId, email, password } = account;
  // Without this, the mail of the registration would create a newer token, which would end the token of this test.
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [userId]);
  const tokens = new Map<string, string>();
  for (const purpose of EVERY_PURPOSE) {
    const asked = { userId, purpose, address: { address: email, key: email } };
    tokens.set(purpose, (await db.system((tx) => createOneTime(app.parts, tx, asked))).token);
  }
  t.equal((await change(password)).status, 200);
  for (const [purpose, isLive] of Object.entries({
    ...{ reset_password: false, change_email: false, verify_email: true, revert_email: true },
  })) {
    const found = await findOneTime(db.systemReader(), purpose as 'verify_email', tokens.get(purpose) ?? '');
    t.equal(found !== null, isLive, purpose);
  }
});

t.test('a refused change says why and changes nothing', async (t) => {
  const { database, api, app, account, login, change } = await openChanging(t);
  const { userId, password, organization } = account;
  const other = await newAccount(api);
  const second = (await login()).body.data;
  const content = () =>
    database.query(
      `SELECT (SELECT hash FROM passwords WHERE user_id = $1), (SELECT epoch FROM users WHERE id = $1),
      (SELECT count(*) FROM sessions WHERE revoked_at IS NULL), (SELECT count(*) FROM events)`,
      [userId],
    );
  const before = await content();
  for (const [weak, message] of [
    ['short', /at least 8/],
    ['password', /common/],
    [account.email, /not your name, your e-mail/],
    [organization.name, /the name of the organization/],
  ] as const) {
    const reply = await change('wrong', weak);
    refused(t, reply, 'validation_failed', weak);
    t.match(reply.body.issues, [{ path: 'newPassword', message }], 'before the current password is looked at');
  }
  refused(t, await change('wrong'), 'wrong_password', 'a wrong password');
  refused(t, await change(other.password), 'wrong_password', 'the password of another account');
  refused(t, await change(password, password), 'password_unchanged', 'the same password');
  refused(t, await change(password, NEW, 'x.y.z'), 'invalid_token', 'nobody');
  const { id } = await seedClient(database, { organizationId: organization.id, permissions: ['users:read'] });
  const client = await tokenOfClient(app, database, id);
  refused(t, await change(password, NEW, client), 'user_required', 'a service client');
  refused(t, await change(password, NEW, other.accessToken), 'wrong_password', 'the session of another account');
  t.same(await content(), before);
  t.equal((await api.get('/me', { token: second.accessToken })).status, 200);
  await database.query('DELETE FROM passwords WHERE user_id = $1', [userId]);
  const reply = await change(password);
  refused(t, reply, 'password_not_set', 'without a password');
  t.match(reply.body.detail, 'forgot-password');
});

t.test('a canonically equal spelling of the current password is the same password', async (t) => {
  const { api, account, change } = await openChanging(t);
  const accented = 'caf\u00e9 and three more words';
  const first = await change(account.password, accented);
  t.equal(first.status, 200);
  const token = first.body.data.accessToken;
  refused(t, await change(accented, accented.normalize('NFD'), token), 'password_unchanged', 'NFD');
  t.equal((await api.get('/me', { token })).status, 200);
});

t.test('wrong current passwords are throttled together with failed sign-ins', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', LOGIN_FAILURES_MAX: '3', RATE_LIMIT_SIGN_IN: '1000' };
  const { account, login, change } = await openChanging(t, settings);
  t.equal((await change('wrong')).code, 'wrong_password');
  t.equal((await login('wrong')).code, 'invalid_credentials');
  t.equal((await change('wrong', 'short')).code, 'validation_failed', 'no guess');
  t.equal((await change('wrong')).code, 'wrong_password');
  t.equal((await change(account.password)).code, 'too_many_requests');
  t.equal((await login()).code, 'too_many_requests');
});
