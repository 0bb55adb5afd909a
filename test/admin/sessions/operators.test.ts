// What operators do to sessions and passwords while sign-ins and other changes run at the same moment.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { setPassword } from '../../../src/admin/accounts/change-account.ts';
import { endAllSessions } from '../../../src/admin/sessions/sessions.ts';
import { sessionRow } from '../../sign-in/sessions/rows.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api, app } = await openService(t, database);

t.test('when an operator ends all sessions, a sign-in in progress is ended too', async (t) => {
  const account = await newAccount(api);
  await database.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout'`);
  const client = new pg.Client({ connectionString: database.systemUrl });
  client.on('error', () => undefined);
  await client.connect();
  t.teardown(() => client.end());
  const id = randomUUID();
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO sessions (id, user_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
     SELECT $1, user_id, amr, clock_timestamp(), clock_timestamp(), idle_expires_at, expires_at, gen_random_uuid(), confirmed_at
     FROM sessions WHERE id = $2`,
    [id, account.sessionId],
  );
  let looks = 0;
  const live = await endAllSessions(app.parts, (done, whole) => {
    looks += 1;
    if (looks === 1 && done === whole) void client.query('COMMIT');
  });
  t.equal(live, 1);
  t.equal((await sessionRow(database, id)).revoked_reason, 'ended_by_operator');
});

t.test('setting a password locks the user row before the password row, as an account takeover does', async (t) => {
  const account = await newAccount(api);
  const claiming = await openTransaction(t, database);
  await claiming.query('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [account.userId]);
  const done = setPassword(app.parts, { id: account.userId, email: account.email }, 'eleven quiet lanterns');
  await waiters(database, 1);
  const hash = await claiming.query('SELECT FROM passwords WHERE user_id = $1 FOR UPDATE NOWAIT', [account.userId]);
  t.equal(hash.rowCount, 1, 'a transaction that waits for the user does not lock the password');
  await claiming.query('COMMIT');
  t.equal(await done, 1);
});
