// A change of the password at the same moment as another change, a sign-in with the old password, or a refresh.
import t, { type Test } from 'tap';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { holdUser, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

async function openTwo(t: Test) {
  const database = await createDatabase(t);
  const [{ api }, { api: elsewhere }] = [await openService(t, database), await openService(t, database)];
  return { database, api, elsewhere };
}

const words = (index: number) => `new and unrelated words ${index}`;
const LOSERS = new Set(['password_changed', 'wrong_password', 'session_revoked', 'token_stale']);

t.test('of several changes at the same moment one wins, and only its password works', async (t) => {
  const { api, elsewhere } = await openTwo(t);
  for (let round = 0; round < rounds(10); round += 1) {
    const { email, password, accessToken } = await newAccount(api);
    const second = (await api.post('/auth/login', { email, password })).body.data;
    const tokens = [accessToken, second.accessToken];
    const replies = await atOnce(6, (index) =>
      (index % 2 ? api : elsewhere).post(
        '/me/password',
        { currentPassword: password, newPassword: words(index) },
        { token: tokens[index % 3 === 0 ? 1 : 0] ?? '' },
      ),
    );
    const winners = replies.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    t.equal(winners.length, 1);
    for (const { status, code } of replies) t.ok(status === 200 || LOSERS.has(code ?? ''), `${status} ${code}`);
    for (let index = 0; index < 6; index += 1) {
      const { status } = await api.post('/auth/login', { email, password: words(index) });
      t.equal(status === 200, winners.includes(index));
    }
    t.equal((await api.post('/auth/login', { email, password })).code, 'invalid_credentials');
  }
});

t.test('two changes that have both checked the old password: the second one is refused clearly', async (t) => {
  const { database, api, elsewhere } = await openTwo(t);
  const { email, password, userId, accessToken: token } = await newAccount(api);
  const held = await holdUser(t, database, userId);
  const replies = Promise.all(
    [api, elsewhere].map((one, index) =>
      one.post('/me/password', { currentPassword: password, newPassword: words(index) }, { token }),
    ),
  );
  await waiters(database, 2);
  await held.query('COMMIT');
  const codes = (await replies).map(({ status, code }) => code ?? String(status));
  t.same(codes.sort(), ['200', 'password_changed']);
  t.equal((await api.post('/auth/login', { email, password })).code, 'invalid_credentials');
});

t.test('no session that the old password opened outlives the change', async (t) => {
  const { database, api, elsewhere } = await openTwo(t);
  for (let round = 0; round < rounds(20); round += 1) {
    const { email, password, userId, sessionId, accessToken: token } = await newAccount(api);
    const change = { currentPassword: password, newPassword: words(0) };
    const [changed, ...logins] = await Promise.all([
      api.post('/me/password', change, { token }),
      ...[api, elsewhere, elsewhere].map((one) => one.post('/auth/login', { email, password })),
    ]);
    t.equal(changed.status, 200);
    for (const { status, body } of logins) {
      if (status === 200) t.not((await api.get('/me', { token: body.data.accessToken })).status, 200);
    }
    const live = await database.query('SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [userId]);
    t.same(live, [{ id: sessionId }]);
  }
});

t.test('a simultaneous refresh goes on in the session of the request, and ends with any other session', async (t) => {
  const { api, elsewhere } = await openTwo(t);
  for (let round = 0; round < rounds(20); round += 1) {
    const { email, password, accessToken: token, refreshToken } = await newAccount(api);
    const other = (await api.post('/auth/login', { email, password })).body.data;
    const change = { currentPassword: password, newPassword: words(0) };
    const [changed, own, foreign] = await Promise.all([
      api.post('/me/password', change, { token }),
      elsewhere.post('/auth/refresh', { refreshToken }),
      elsewhere.post('/auth/refresh', { refreshToken: other.refreshToken }),
    ]);
    t.equal(changed.status, 200, changed.text);
    t.equal(own.status, 200, own.text);
    t.equal((await api.post('/auth/refresh', { refreshToken: own.body.data.refreshToken })).status, 200);
    if (foreign.status === 200) {
      const next = await api.post('/auth/refresh', { refreshToken: foreign.body.data.refreshToken });
      t.equal(next.code, 'session_revoked');
    } else t.equal(foreign.code, 'session_revoked');
  }
});
