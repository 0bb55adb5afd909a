// During a request with an Idempotency-Key a process is killed, or PostgreSQL stops answering. A repeat
// finds out what happened, and has no second effect.
import type pg from 'pg';
import t, { type Test } from 'tap';
import type { Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { routeDatabase } from '../../support/servers/database-proxy.ts';
import { openService, spawnService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { newKey, send } from './requests.ts';

const GATE = 20_261_129;

/** Makes every commit that keeps an answer wait for a lock, and takes that lock. */
async function holdCommits(t: Test, database: TestDatabase): Promise<pg.Client> {
  await database.query(`CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(${GATE}); RETURN NULL; END $$`);
  await database.query(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON idempotency_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`);
  const gate = await openTransaction(t, database);
  await gate.query(`SELECT pg_advisory_xact_lock(${GATE})`);
  return gate;
}

/** Sends the request again while an earlier request with its key is running or PostgreSQL is unavailable. */
async function repeat(again: () => Promise<Reply>): Promise<Reply> {
  let reply = await again();
  await until(async () => {
    if (!['idempotency_key_in_use', 'database_unavailable'].includes(reply.code ?? '')) return true;
    reply = await again();
    return false;
  });
  return reply;
}

const clientsOf = (database: TestDatabase) => database.query("SELECT 1 FROM clients WHERE name = 'made'");

t.test(
  'a process is killed between the commit and the answer: the repeat gets the answer with its secret',
  async (t) => {
    const database = await createDatabase(t);
    const first = await spawnService(t, { DATABASE_URL: database.ownerUrl });
    const { accessToken: token } = await newAccount(first.api);
    const gate = await holdCommits(t, database);
    const key = newKey();
    const request = { path: '/clients', token, body: { name: 'made', permissions: [] } };
    const lost = send(first.api, request, key).catch((error: Error) => error);
    await waiters(database, 1);
    await first.end('SIGKILL');
    t.ok((await lost) instanceof Error, 'no answer');
    const { api } = await openService(t, database);
    t.equal((await send(api, request, key)).code, 'idempotency_key_in_use', 'PostgreSQL has not ended the commit');
    await gate.query('COMMIT');
    const reply = await repeat(() => send(api, request, key));
    t.same([reply.status, reply.headers.get('idempotency-replayed')], [201, 'true']);
    t.match(reply.body.data.clientSecret, /^tcs_/);
    t.equal((await clientsOf(database)).length, 1);
    const body = `grant_type=client_credentials&client_id=${reply.body.data.id}&client_secret=${reply.body.data.clientSecret}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    t.equal(
      (await api.call('POST', '/oauth/token', undefined, { raw: body, headers })).status,
      200,
      'the secret works',
    );
  },
);

t.test('a process is killed before the commit: nothing has happened, and the key is free', async (t) => {
  const database = await createDatabase(t);
  const first = await spawnService(t, { DATABASE_URL: database.ownerUrl });
  const { accessToken: token, organization } = await newAccount(first.api);
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organization.id]);
  const key = newKey();
  const request = { path: '/clients', token, body: { name: 'made', permissions: [] } };
  const lost = send(first.api, request, key).catch((error: Error) => error);
  await waiters(database, 1);
  await first.end('SIGKILL');
  await lost;
  await held.query('COMMIT');
  const { api } = await openService(t, database);
  const reply = await repeat(() => send(api, request, key));
  t.same([reply.status, reply.headers.get('idempotency-replayed')], [201, null]);
  t.equal((await clientsOf(database)).length, 1);
});

t.test(
  'PostgreSQL commits but its answer is lost: 503 says that the outcome is unknown, and the repeat gets the answer',
  async (t) => {
    const database = await createDatabase(t);
    const { proxy, routed } = await routeDatabase(t, database);
    // The account comes from a service with long time limits, which are not reached even on a busy machine.
    const { accessToken: token } = await newAccount((await openService(t, database)).api);
    const { api } = await openService(t, routed, {}, 'as served');
    await until(async () => (await api.get('/organizations/current', { token })).status === 200);
    const gate = await holdCommits(t, database);
    const key = newKey();
    const request = { path: '/clients', token, body: { name: 'made', permissions: [] } };
    const answered = send(api, request, key);
    await waiters(database, 1);
    proxy.hold('answers');
    await gate.query('COMMIT');
    const lost = await answered;
    t.equal(lost.status, 503, lost.text);
    t.match(lost.body.detail, /may or may not have been done.*same Idempotency-Key is safe/);
    t.equal((await clientsOf(database)).length, 1, 'it was done');
    proxy.pass();
    const reply = await repeat(() => send(api, request, key));
    t.same([reply.status, reply.headers.get('idempotency-replayed')], [201, 'true']);
    t.equal((await clientsOf(database)).length, 1);
  },
);
