// What a 500 or 503 answer says about a change is true, even when PostgreSQL executes a statement whose answer is lost.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { routeDatabase } from '../../support/servers/database-proxy.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const UNKNOWN = /may or may not have been done/;
const UNCHANGED = /Nothing was changed\.$/;

async function open(t: Test) {
  const database = await createDatabase(t);
  const { proxy, routed } = await routeDatabase(t, database);
  // The account comes from a service with long time limits, which are not reached even on a busy machine.
  const account = await newAccount((await openService(t, database)).api);
  const { api } = await openService(t, routed, {}, 'as served');
  await until(async () => (await api.get('/organizations/current', { token: account.accessToken })).status === 200);
  return { database, proxy, api, account, token: account.accessToken };
}

t.test('a logout that PostgreSQL executed without an answer is not reported as unchanged', async (t) => {
  const { api, database, proxy, account } = await open(t);
  proxy.hold('answers');
  const reply = await api.post('/auth/logout', { refreshToken: account.refreshToken });
  t.same([reply.status, reply.code], [503, 'database_unavailable']);
  t.match(reply.body.detail, UNKNOWN);
  t.equal(reply.body.error, reply.body.detail);
  const ended = 'SELECT 1 FROM sessions WHERE id = $1 AND revoked_at IS NOT NULL';
  // On a busy machine, PostgreSQL may execute the statement after the answer.
  await until(async () => (await database.query(ended, [account.sessionId])).length > 0);
});

t.test('a change whose statement was sent is not reported as unchanged', async (t) => {
  const { api, database, proxy, token, account } = await open(t);
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [account.organization.id]);
  const changing = api.patch('/organizations/current', { name: 'Other' }, { token });
  await waiters(database, 1);
  proxy.hold('answers');
  await held.query('COMMIT');
  const reply = await changing;
  t.equal(reply.status, 503);
  t.match(reply.body.detail, UNKNOWN);
});

t.test('the answer about a change that never reached PostgreSQL says that nothing was changed', async (t) => {
  const { api, database, proxy, token, account } = await open(t);
  proxy.cut();
  const changes = [
    () => api.patch('/organizations/current', { name: 'Other' }, { token }),
    () => api.patch('/me', { name: 'Other' }, { token }),
    () => api.post('/roles', { name: 'x', level: 0, permissions: [] }, { token }),
  ];
  for (const change of changes) {
    const reply = await change();
    t.equal(reply.status, 503, reply.text);
    t.match(reply.body.detail, UNCHANGED);
  }
  const read = await api.get('/organizations/current', { token });
  t.equal(read.status, 503);
  t.notMatch(read.body.detail, UNCHANGED, 'a read says nothing about changes');
  t.notMatch(read.body.detail, UNKNOWN);
  proxy.pass();
  await until(async () => (await api.get('/me', { token })).status === 200);
  t.equal((await api.get('/organizations/current', { token })).body.data.name, account.organization.name);
  t.equal((await database.query("SELECT 1 FROM roles WHERE name = 'x'")).length, 0);
});

t.test('a request that is answered before its work has ended is not reported as unchanged', async (t) => {
  const { api, database, account, token } = await open(t);
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [account.organization.id]);
  const reply = await api.post('/roles', { name: 'late', level: 0, permissions: [] }, { token });
  t.equal(reply.status, 503, reply.text);
  t.match(reply.body.detail, UNKNOWN);
});
