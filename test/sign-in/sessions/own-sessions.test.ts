// The list of a user's own sessions, the ending of these sessions, and the limit on their number.
import t, { type Test } from 'tap';
import { type Api, atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { holdUser, waiters } from '../../support/locks.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';

interface SignedIn {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

async function opened(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, settings);
  return { database, api, account: await newAccount(api) };
}

async function signInAgain(api: Api, { email, password }: Account, device = 'Phone'): Promise<SignedIn> {
  const reply = await api.post('/auth/login', { email, password }, { headers: { 'user-agent': device } });
  if (reply.status !== 200) throw new Error(`login answered ${reply.status}: ${reply.text}`);
  return reply.body.data;
}

async function idsOf(api: Api, token: string): Promise<string[]> {
  const { body } = await api.get('/me/sessions?limit=100', { token });
  return body.data.map((session: { id: string }) => session.id);
}

t.test('the list shows the user’s live sessions, the last used first, and marks the current session', async (t) => {
  const { api, account } = await opened(t);
  await newAccount(api); // another user, whose session must not appear
  const phone = await signInAgain(api, account);
  await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  const { status, body } = await api.get('/me/sessions', { token: phone.accessToken });
  t.equal(status, 200);
  t.match(body.data, [
    { id: account.sessionId, current: false },
    { id: phone.sessionId, current: true, userAgent: 'Phone', ip: '127.0.0.1', organization: account.organization },
  ]);
  t.equal(body.data.length, 2);
  t.same(body.pagination, { total: 2, limit: 20, offset: 0, hasMore: false });
  const known = ['createdAt', 'current', 'expiresAt', 'id', 'ip', 'lastSeenAt', 'organization', 'userAgent'];
  t.same(Object.keys(body.data[0]).sort(), known, 'the list contains nothing about refresh tokens');
});

t.test('the pages of the list neither repeat nor miss a session', async (t) => {
  const { api, account } = await opened(t);
  for (let more = 0; more < 4; more += 1) await signInAgain(api, account);
  const { accessToken: token } = account;
  const all = await idsOf(api, token);
  const paged: string[] = [];
  for (const [offset, hasMore] of [
    [0, true],
    [2, true],
    [4, false],
  ] as const) {
    const { body } = await api.get(`/me/sessions?limit=2&offset=${offset}`, { token });
    t.same(body.pagination, { total: 5, limit: 2, offset, hasMore });
    paged.push(...body.data.map((session: { id: string }) => session.id));
  }
  t.same(paged, all);
  const { body } = await api.get('/me/sessions?limit=2&offset=10', { token });
  t.same(body, { data: [], pagination: { total: 5, limit: 2, offset: 10, hasMore: false } });
  for (const query of ['limit=0', 'limit=101', 'offset=-1', 'limit=x', 'page=1', 'limit=2&limit=3']) {
    t.equal((await api.get(`/me/sessions?${query}`, { token })).status, 422, query);
  }
});

t.test('an ended session is not listed, and its tokens are refused at once', async (t) => {
  const { database, api, account } = await opened(t);
  const phone = await signInAgain(api, account);
  t.equal((await api.get('/me', { token: phone.accessToken })).status, 200);
  t.equal((await api.delete(`/me/sessions/${phone.sessionId}`, { token: account.accessToken })).status, 204);
  t.equal((await api.get('/me', { token: phone.accessToken })).code, 'session_revoked');
  t.equal((await api.post('/auth/refresh', { refreshToken: phone.refreshToken })).code, 'session_revoked');
  t.same(await idsOf(api, account.accessToken), [account.sessionId]);
  t.same(await eventsAbout(database, phone.sessionId), ['session.opened', 'session.ended']);
  const again = await api.delete(`/me/sessions/${phone.sessionId}`, { token: account.accessToken });
  t.match(again, { status: 404, code: 'not_found' });
});

t.test('a user can end the current session', async (t) => {
  const { api, account } = await opened(t);
  const { accessToken: token } = account;
  t.equal((await api.delete(`/me/sessions/${account.sessionId}`, { token })).status, 204);
  t.equal((await api.get('/me/sessions', { token })).code, 'session_revoked');
});

t.test('a session of another user gets the same 404 as an unknown one, and stays alive', async (t) => {
  const { api, account } = await opened(t);
  const stranger = await newAccount(api);
  const { accessToken: token } = account;
  const answers = [];
  for (const id of [stranger.sessionId, '01970000-0000-7000-8000-000000000000']) {
    const reply = await api.delete(`/me/sessions/${id}`, { token });
    t.match(reply, { status: 404, code: 'not_found' });
    answers.push(JSON.stringify({ ...reply.body, requestId: '' }));
  }
  t.equal(answers[0], answers[1], 'both answers have the same text');
  t.equal((await api.get('/me', { token: stranger.accessToken })).status, 200);
  t.equal((await api.delete('/me/sessions/not-an-id', { token })).status, 422);
});

t.test('ending all other sessions does not affect the current session or other users', async (t) => {
  const { api, account } = await opened(t);
  const stranger = await newAccount(api);
  const others = [await signInAgain(api, account), await signInAgain(api, account)];
  const reply = await api.delete('/me/sessions', { token: account.accessToken });
  t.same([reply.status, reply.body], [200, { data: { ended: 2 } }]);
  for (const { accessToken: token } of others) t.equal((await api.get('/me', { token })).code, 'session_revoked');
  for (const { accessToken: token } of [account, stranger]) t.equal((await api.get('/me', { token })).status, 200);
  t.same((await api.delete('/me/sessions', { token: account.accessToken })).body, { data: { ended: 0 } });
});

t.test('an expired session is not listed, and is not ended with the other sessions', async (t) => {
  const { database, api, account } = await opened(t);
  const phone = await signInAgain(api, account);
  await database.query("UPDATE sessions SET idle_expires_at = clock_timestamp() - interval '1 s' WHERE id = $1", [
    phone.sessionId,
  ]);
  t.same(await idsOf(api, account.accessToken), [account.sessionId]);
  t.same((await api.delete('/me/sessions', { token: account.accessToken })).body, { data: { ended: 0 } });
});

t.test('a sign-in beyond the limit ends the user’s least recently used session, and no other session', async (t) => {
  const { database, api, account } = await opened(t, { SESSIONS_PER_USER_MAX: '3' });
  const stranger = await newAccount(api);
  const second = await signInAgain(api, account);
  const third = await signInAgain(api, account);
  await api.post('/auth/refresh', { refreshToken: account.refreshToken }); // the oldest session was used last
  const fourth = await signInAgain(api, account);
  t.equal((await api.get('/me', { token: second.accessToken })).code, 'session_revoked', 'at once');
  t.equal((await api.post('/auth/refresh', { refreshToken: second.refreshToken })).code, 'session_revoked');
  t.same(await eventsAbout(database, second.sessionId), ['session.opened', 'session.ended']);
  t.same(await idsOf(api, fourth.accessToken), [fourth.sessionId, account.sessionId, third.sessionId]);
  t.equal((await api.get('/me', { token: stranger.accessToken })).status, 200);
});

t.test('a sign-in that is refused ends no session', async (t) => {
  const { database, api, account } = await opened(t);
  await signInAgain(api, account);
  const strict = await openService(t, database, { SESSIONS_PER_USER_MAX: '1' });
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [account.userId]);
  const { email, password } = account;
  t.equal((await strict.api.post('/auth/login', { email, password })).code, 'account_disabled');
  const live = 'SELECT 1 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL';
  t.equal((await database.query(live, [account.userId])).length, 2);
});

t.test('the limit on sessions also applies to simultaneous sign-ins', async (t) => {
  const { database, api, account } = await opened(t, { SESSIONS_PER_USER_MAX: '2' });
  const held = await holdUser(t, database, account.userId);
  const signingIn = atOnce(3, () => signInAgain(api, account));
  await waiters(database, 3); // each sign-in has read the sessions, or waits to read them
  await held.query('COMMIT');
  const signedIn = await signingIn;
  const answers = await Promise.all(
    [account, ...signedIn].map(({ refreshToken }) => api.post('/auth/refresh', { refreshToken })),
  );
  t.equal(answers.filter(({ status }) => status === 200).length, 2);
  t.same(
    answers.filter(({ status }) => status !== 200).map(({ code }) => code),
    ['session_revoked', 'session_revoked'],
  );
});
