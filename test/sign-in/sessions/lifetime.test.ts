// The lifetime of a session: each use extends it, up to the maximum age, and each time only by the idle time.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { sessionRow } from './rows.ts';

const HOUR = 3600;
const LIVES = { REFRESH_TOKEN_TTL: '1h', SESSION_MAX_AGE: '3h' };

t.test('each use sets the idle expiry to one token lifetime from now, never past the maximum age', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, LIVES);
  const account = await newAccount(api);
  let token = account.refreshToken;
  // The session grows older by forty minutes before each use.
  for (const ageSeconds of [2400, 4800, 7200, 9600]) {
    await database.query(
      `UPDATE sessions SET created_at = created_at - interval '40 min', expires_at = expires_at - interval '40 min',
         last_seen_at = last_seen_at - interval '40 min', idle_expires_at = idle_expires_at - interval '40 min' WHERE id = $1`,
      [account.sessionId],
    );
    const reply = await api.post('/auth/refresh', { refreshToken: token });
    t.equal(reply.status, 200, `the session is ${ageSeconds} s old`);
    token = reply.body.data.refreshToken;
    const { idle_expires_at, last_seen_at, expires_at } = await sessionRow(database, account.sessionId);
    const slid = Math.round((idle_expires_at.getTime() - last_seen_at.getTime()) / 1000);
    t.equal(slid, Math.min(HOUR, Math.round((expires_at.getTime() - last_seen_at.getTime()) / 1000)));
    t.ok(idle_expires_at <= expires_at);
    t.equal(reply.body.data.refreshExpiresAt, idle_expires_at.toISOString(), 'the answer contains the expiry');
    t.equal(partsOf(token).claims.exp, Math.floor(idle_expires_at.getTime() / 1000), 'the token has the same expiry');
  }
  t.same(
    (await sessionRow(database, account.sessionId)).idle_expires_at,
    (await sessionRow(database, account.sessionId)).expires_at,
  );
});

for (const [what, column] of [
  ['left unused for longer than its idle time', 'idle_expires_at'],
  ['older than its greatest age', 'expires_at'],
] as const) {
  t.test(`a session ${what} is refused, and stays refused`, async (t) => {
    const database = await createDatabase(t);
    const { api } = await openService(t, database);
    const account = await newAccount(api);
    await database.query(`UPDATE sessions SET ${column} = clock_timestamp() - interval '1 s' WHERE id = $1`, [
      account.sessionId,
    ]);
    const before = await sessionRow(database, account.sessionId);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const reply = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
      t.match(reply, { status: 401, code: 'session_expired' });
      t.notOk(reply.body.data);
    }
    t.same(await sessionRow(database, account.sessionId), before, 'the session row is unchanged');
  });
}

t.test('an expired session cannot switch the organization, even with a valid access token', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const account = await newAccount(api);
  await database.query("UPDATE sessions SET idle_expires_at = clock_timestamp() - interval '1 s' WHERE id = $1", [
    account.sessionId,
  ]);
  const { id: organization } = account.organization;
  const reply = await api.post('/auth/switch-organization', { organization }, { token: account.accessToken });
  t.equal(reply.status, 401);
  t.notOk(reply.body.data);
});

t.test('the clock of the service also refuses a refresh token after the token’s own expiry', async (t) => {
  const { api, clock } = await openService(t, await createDatabase(t), LIVES);
  const { refreshToken } = await newAccount(api);
  clock.advance(HOUR + 1);
  t.match(await api.post('/auth/refresh', { refreshToken }), { status: 401, code: 'session_expired' });
});

t.test('an access token is refused from the second of its expiry on, even if it was verified before', async (t) => {
  const { api, clock } = await openService(t, await createDatabase(t), { ACCESS_TOKEN_TTL: '5m' });
  const account = await newAccount(api);
  const refreshed = (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).body.data;
  t.equal(refreshed.expiresIn, 300);
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200);
  clock.advance(300);
  for (const token of [account.accessToken, refreshed.accessToken]) {
    t.match(await api.get('/me', { token }), { status: 401, code: 'token_expired' });
  }
});

t.test('the first refresh token expires no later than the session', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, { REFRESH_TOKEN_TTL: '2h', SESSION_MAX_AGE: '2h' });
  const account = await newAccount(api);
  const { idle_expires_at, expires_at } = await sessionRow(database, account.sessionId);
  t.same(idle_expires_at, expires_at);
  t.equal(partsOf(account.refreshToken).claims.exp, Math.floor(expires_at.getTime() / 1000));
});
