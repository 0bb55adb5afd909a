// A failover that has set the database back is noticed. Until an operator decides, an earlier session or token gets
// 503, or 401 if it is known to be revoked.
import t, { type Test } from 'tap';
import { acceptDatabase, endEverything } from '../../../src/admin/restore/restore.ts';
import type { Database } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createLineageWatch } from '../../../src/credentials/revocations/lineage.ts';
import { readServer } from '../../../src/credentials/revocations/lineage-store.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient, seedClientWithToken } from '../../support/fixtures/clients.ts';
import { openService, type Service } from '../../support/service.ts';
import { lose, promote, rowOf } from './set-back.ts';

const eventsOf = (database: TestDatabase) =>
  database.query(`SELECT type, data FROM events WHERE type LIKE 'installation.%' ORDER BY at`);

async function open(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  await service.app.parts.revocations.synchronize();
  const accounts = [await newAccount(service.api), await newAccount(service.api)] as const;
  return { database, service, synchronize: service.app.parts.revocations.synchronize, accounts };
}

/** Asserts that the earlier tokens of the account are refused with 503, and that its user can sign in again. */
async function isInDoubt(t: Test, { api }: Service, account: Account): Promise<void> {
  const { accessToken: token, refreshToken, email, password } = account;
  for (const refused of [
    await api.get('/me', { token }),
    await api.get('/verify', { token }),
    await api.post('/auth/refresh', { refreshToken }),
  ]) {
    t.strictSame([refused.status, refused.code], [503, 'database_set_back']);
    t.match(refused.headers.get('retry-after'), /^[1-9]\d*$/);
    t.strictSame(refused.setCookie, []);
  }
  const ready = await api.get('/readyz');
  t.strictSame(
    [ready.status, ready.body.checks.database, ready.body.reasons],
    [200, 'degraded', { database: 'set_back' }],
  );
  t.equal((await api.post('/auth/login', { email, password })).status, 200, 'a new sign-in is possible');
}

t.test('a failover that lost nothing changes nothing', async (t) => {
  const { database, service, synchronize, accounts } = await open(t);
  const before = await rowOf(database);
  const [stays, leaves] = accounts;
  await service.api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await promote(database);
  await synchronize();
  t.equal((await service.api.get('/me', { token: stays.accessToken })).status, 200);
  t.equal((await service.api.post('/auth/refresh', { refreshToken: stays.refreshToken })).status, 200);
  t.strictSame(await rowOf(database), before, 'the new timeline is noted');
  t.strictSame(await eventsOf(database), []);
});

t.test('a lost logout is noticed, and no earlier token is accepted until an operator decides', async (t) => {
  const { database, service, synchronize, accounts } = await open(t);
  const [stays, leaves] = accounts;
  t.equal((await service.api.post('/auth/logout', { refreshToken: leaves.refreshToken })).status, 204);
  const { accessToken: feeding } = await feedToken(service, database);
  await lose(database, leaves);
  await promote(database);
  await synchronize();
  t.match(await rowOf(database), { reason: 'lost' });
  await isInDoubt(t, service, stays);
  const again = await service.api.post('/auth/refresh', { refreshToken: leaves.refreshToken });
  t.equal(again.code, 'database_set_back', 'the session that had ended stays refused');
  t.equal((await service.api.get('/me', { token: leaves.accessToken })).code, 'session_revoked');
  t.equal((await service.api.get('/revocations', { token: feeding })).code, 'database_set_back');

  const late = await openService(t, database);
  await late.app.parts.revocations.synchronize();
  await isInDoubt(t, late, stays);
  for (const { app } of [service, late]) await app.parts.revocations.synchronize();
  t.match(await rowOf(database), { reason: 'lost' }, 'no other process ends the doubt');
  t.strictSame(await eventsOf(database), [{ type: 'installation.database_doubted', data: { reason: 'lost' } }]);

  t.ok(await acceptDatabase(service.app.parts));
  await synchronize();
  t.equal((await service.api.get('/me', { token: stays.accessToken })).status, 200, 'accepted: valid again');
  t.equal((await service.api.get('/readyz')).body.checks.database, 'ok');
  await synchronize();
  t.match(await rowOf(database), { reason: null }, 'what an operator has decided stays decided');
  t.match((await eventsOf(database)).at(-1), { type: 'installation.database_accepted' });
});

t.test('a session whose logout was lost stays refused before the failover is noticed', async (t) => {
  const { database, service, accounts } = await open(t);
  const [stays, leaves] = accounts;
  await service.api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await lose(database, leaves);
  await promote(database);
  const again = await service.api.post('/auth/refresh', { refreshToken: leaves.refreshToken });
  t.strictSame([again.status, again.code, again.setCookie], [401, 'session_revoked', []]);
  t.equal((await service.api.post('/auth/refresh', { refreshToken: stays.refreshToken })).status, 200);
});

t.test('a session that a process refreshes before it notices the failover stays in doubt', async (t) => {
  const { database, service, synchronize, accounts } = await open(t);
  const slow = await openService(t, database);
  await slow.app.parts.revocations.synchronize();
  const [stays, leaves] = accounts;
  await service.api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await database.query("UPDATE sessions SET created_at = created_at - interval '1 minute'");
  await lose(database, leaves);
  await promote(database);
  await synchronize();
  await database.query("UPDATE database_lineage SET doubted_at = doubted_at - interval '30 seconds'");
  const client = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  const refreshed = await slow.api.post('/auth/refresh', { refreshToken: stays.refreshToken });
  t.equal(refreshed.status, 200, 'this process has not read the doubt yet');
  for (const { app } of [slow, service]) await app.parts.revocations.synchronize();
  const { accessToken: token, refreshToken } = refreshed.body.data;
  const authorization = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
  const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
  const introspect = (api: Service['api'], asked: string) =>
    api.post('/oauth/introspect', undefined, { raw: `token=${asked}`, headers });
  for (const { api } of [slow, service]) {
    for (const refused of [await api.get('/me', { token }), await api.post('/auth/refresh', { refreshToken })]) {
      t.strictSame([refused.status, refused.code], [503, 'database_set_back']);
    }
    for (const refused of [await introspect(api, token), await introspect(api, refreshToken)]) {
      t.match([refused.status, refused.body], [503, { error_description: /The database may have lost changes/ }]);
    }
  }
});

async function feedToken({ app }: Service, database: TestDatabase) {
  const { token } = await seedClientWithToken(app, database, {
    organizationId: null,
    permissions: ['revocations:read'],
  });
  return { accessToken: token };
}

t.test('restore ends the doubt, and every earlier session and token', async (t) => {
  const { database, service, synchronize, accounts } = await open(t);
  const [stays, leaves] = accounts;
  await service.api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await lose(database, leaves);
  await promote(database);
  await synchronize();
  t.match(await rowOf(database), { reason: 'lost' });
  await endEverything(service.app.parts, { restoredAt: new Date() });
  await synchronize();
  t.equal((await service.api.get('/me', { token: stays.accessToken })).code, 'session_revoked');
  for (const { refreshToken } of accounts) {
    t.equal((await service.api.post('/auth/refresh', { refreshToken })).status, 401);
  }
  const { email, password } = stays;
  const { accessToken: token } = (await service.api.post('/auth/login', { email, password })).body.data;
  t.equal((await service.api.get('/me', { token })).status, 200);
  t.match(await rowOf(database), { reason: null });
});

t.test('a process that ran during a failover without loss ends the doubt of one that started after it', async (t) => {
  const { database, service, accounts } = await open(t);
  await service.app.close();
  await promote(database);
  const late = await openService(t, database);
  const { db, revocations } = late.app.parts;
  const silent = openLog({ level: 'silent', pretty: false });
  const witness = createLineageWatch({ db, log: silent, events: () => [] });
  await witness.check({ ...SERVER, lineage: '1/1', judged: '1/1' }); // the former primary
  await revocations.synchronize();
  t.match(await rowOf(database), { reason: 'unwitnessed' });
  await witness.check(await readServer(db.systemReader()));
  await revocations.synchronize();
  t.match(await rowOf(database), { reason: null });
  t.equal((await late.api.get('/me', { token: accounts[0].accessToken })).status, 200);
});

t.test('a failover during which no process ran is in doubt until an operator decides', async (t) => {
  const { database, service, accounts } = await open(t);
  await service.app.close();
  await promote(database);
  const late = await openService(t, database);
  await late.app.parts.revocations.synchronize();
  t.match(await rowOf(database), { reason: 'unwitnessed' });
  await isInDoubt(t, late, accounts[0]);
  const later = await openService(t, database);
  await later.app.parts.revocations.synchronize();
  await isInDoubt(t, later, accounts[1]);
  await acceptDatabase(later.app.parts);
  await late.app.parts.revocations.synchronize();
  t.equal((await late.api.get('/me', { token: accounts[0].accessToken })).status, 200);
});

t.test('a decision before the first start after a failover is kept', async (t) => {
  const { database, service, accounts } = await open(t);
  await service.app.close();
  await promote(database);
  const operator = await openService(t, database); // only the parts of this service are used
  await acceptDatabase(operator.app.parts);
  const late = await openService(t, database);
  await late.app.parts.revocations.synchronize();
  t.equal((await late.api.get('/me', { token: accounts[0].accessToken })).status, 200);
});

/** A watch over a database whose answers the test gives. */
function openWatch(rows: () => unknown[] = () => [], isReadOnly = () => false) {
  const asked: (readonly unknown[])[] = [];
  const systemReader = () => ({
    async rows(query: { text: string }, values: readonly unknown[]) {
      if (/UPDATE database_lineage/.test(query.text)) {
        if (isReadOnly()) throw Object.assign(new Error('read-only'), { code: '25006' });
        asked.push(values);
      }
      if (/FROM revocations/.test(query.text)) return [{ id: null, horizon: '1', snapshot: '1:1:', now: 0 }, ...rows()];
      return [{ ...SERVER, doubtedBefore: asked.some(([, verdict]) => verdict !== 'whole') ? 7 : 0 }];
    },
  });
  const events: Revocation[] = [];
  const watch = createLineageWatch({
    db: { systemReader } as unknown as Database,
    log: openLog({ level: 'silent', pretty: false }),
    events: () => events,
  });
  return { watch, asked, events };
}

const SERVER = { now: 0, isStandby: false, nextTx: '500', lineage: '9/1', judged: '9/1', doubtedBefore: 0 };

t.test('transaction ids below one that was read are a loss, even within one timeline', async (t) => {
  const { watch, asked } = openWatch();
  await watch.check(SERVER);
  watch.noteRead('499');
  watch.noteRead('400');
  await watch.check(SERVER);
  await watch.check({ ...SERVER, nextTx: '501' });
  t.strictSame(asked, [], 'a restart and a crash continue with the same ids');
  await watch.check({ ...SERVER, nextTx: '499' });
  t.strictSame(asked, [['9/1', 'lost', true]]);
  t.equal(watch.doubtedBefore(), 7);
  await watch.check({ ...SERVER, nextTx: '499' });
  t.equal(asked.length, 1, 'the database is judged once');
});

t.test('while the database stores nothing, a process keeps its verdict, and stores it later', async (t) => {
  let isReadOnly = true;
  const { watch, asked } = openWatch(undefined, () => isReadOnly);
  await watch.check({ ...SERVER, judged: null });
  t.equal(watch.doubtedBefore(), 0, 'nothing was lost, and reading continues');
  await watch.check(SERVER);
  watch.noteRead('499');
  await watch.check({ ...SERVER, nextTx: '400', now: 5_500 });
  t.equal(watch.doubtedBefore(), 6);
  await watch.check({ ...SERVER, nextTx: '400', now: 9_500 });
  t.equal(watch.doubtedBefore(), 6, 'the doubt does not grow');
  isReadOnly = false;
  await watch.check({ ...SERVER, nextTx: '400', now: 12_500 });
  t.strictSame(asked, [['9/1', 'lost', true]]);
  t.equal(watch.doubtedBefore(), 7);
});

t.test('a standby is not judged', async (t) => {
  const { watch, asked } = openWatch();
  await watch.check(SERVER);
  watch.noteRead('499');
  await watch.check({ ...SERVER, lineage: null, isStandby: true, nextTx: '300' });
  t.strictSame(asked, []);
});

t.test('an event that the database lacks is a loss, except the event of a restore', async (t) => {
  const id = '00000000-0000-4000-8000-000000000001';
  const judge = async (event: Revocation) => {
    const { watch, asked, events } = openWatch();
    await watch.check(SERVER);
    events.push(event);
    await watch.check({ ...SERVER, lineage: '9/2' });
    return asked[0]?.[1];
  };
  t.equal(await judge({ kind: 'session', sid: id }), 'lost');
  t.equal(await judge({ kind: 'user', sub: id, epoch: 3 }), 'lost');
  t.equal(await judge({ kind: 'client', client_id: id, epoch: 3 }), 'lost');
  t.equal(await judge({ kind: 'organization', org: id, state: 'suspended', at: 5 }), 'lost');
  t.equal(await judge({ kind: 'everything', not_before: 5 }), 'whole');
});
