// During an outage of PostgreSQL callers get one kind of error. After the outage their calls work again.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import t, { type Test } from 'tap';
import {
  type Database,
  DatabaseBusy,
  DatabaseUnavailable,
  openDatabase,
  statement,
} from '../../../../src/base/database/db.ts';
import { BOUNDS } from '../../../../src/base/database/pool.ts';
import { openLog } from '../../../../src/base/platform/log.ts';
import { createDatabase, type TestDatabase } from '../../../support/database.ts';
import { until } from '../../../support/until.ts';
import { seedTenants, type Tenant, VISIBLE, visible } from '../tenants.ts';

const log = openLog({ level: 'silent', pretty: false });

function opened(
  t: Test,
  { appUrl, systemUrl }: Pick<TestDatabase, 'appUrl' | 'systemUrl'>,
  poolSize = 3,
  bounds = BOUNDS,
): Database {
  const db = openDatabase({ appUrl, systemUrl, poolSize, log, bounds });
  t.teardown(() => db.close());
  return db;
}

t.test('connections that are cut under load are reported only as an outage, and are opened again', async (t) => {
  const database = await createDatabase(t);
  // With shorter time limits, a call on a busy machine could wait for too long, and would be refused as busy.
  const db = opened(t, database, 4, { statementMs: 100_000, acquireMs: 100_000 });
  const [tenant] = (await seedTenants(database, 2)) as [Tenant, Tenant];
  const scope = { organizationId: tenant.organizationId };
  const asks = [
    () => db.organization(scope, visible),
    () => db.user(tenant.userId, (tx) => tx.models.organization.findMany()),
    () => db.system((tx) => tx.models.user.updateMany({ data: { status: 'active' } })),
    () => visible(db.organizationReader(scope)),
    () => visible(db.userReader(tenant.userId)),
    () => visible(db.systemReader()),
  ];
  const foreign: unknown[] = [];
  let [refused, answered, cuts, goOn] = [0, 0, 0, true];
  const worker = async (index: number) => {
    for (let turn = index; goOn; turn += 1) {
      try {
        await asks[turn % asks.length]?.();
        answered += 1;
      } catch (error) {
        if (error instanceof DatabaseUnavailable) refused += 1;
        else foreign.push(error);
      }
      await new Promise(setImmediate);
    }
  };
  const load = Array.from({ length: 12 }, (_, index) => worker(index));
  while (cuts < 60 && foreign.length === 0) {
    const [row] = await database.query<{ cut: number }>(
      `SELECT count(pg_terminate_backend(pid))::int AS cut FROM pg_stat_activity
       WHERE datname = $1 AND application_name LIKE 'tenantry%'`,
      [database.name],
    );
    cuts += row?.cut ?? 0;
  }
  const before = answered;
  await until(() => answered >= before + 50 || foreign.length > 0);
  goOn = false;
  await Promise.all(load);
  t.strictSame(foreign.map(String), [], 'every failure is DatabaseUnavailable');
  t.ok(refused > 0, 'some calls failed');
  for (const ask of asks) t.ok(await ask(), 'every kind of access works again');
});

t.test('a statement that takes too long is cancelled, and other statements are not affected', async (t) => {
  const db = opened(t, await createDatabase(t), 2);
  const sleep = statement('SELECT pg_sleep(60)');
  const slow = [
    db.systemReader().rows(sleep, []),
    db.system((tx) => tx.rows(sleep, [])),
    db.userReader('').rows(sleep, []),
  ];
  const outcomes = Promise.allSettled(slow);
  await t.resolves(db.userReader(randomUUID()).rows(VISIBLE, []), 'another statement is answered at the same time');
  for (const outcome of await outcomes) t.type(outcome.status === 'rejected' && outcome.reason, DatabaseBusy);
  await t.resolves(db.ping(), 'PostgreSQL does not count as unavailable');
});

t.test(
  'when every connection is in use, a call is refused as busy after its wait, and later calls work again',
  async (t) => {
    const database = await createDatabase(t);
    const db = opened(t, database, 1);
    const gate = new EventTarget();
    const open = once(gate, 'open');
    const taken = Promise.withResolvers<void>();
    const holder = db.organization({ organizationId: randomUUID() }, async (tx) => {
      await visible(tx);
      taken.resolve();
      await open;
    });
    await taken.promise;
    const waiting = await Promise.allSettled([visible(db.userReader('')), db.user(randomUUID(), visible)]);
    for (const outcome of waiting) t.type(outcome.status === 'rejected' && outcome.reason, DatabaseBusy);
    gate.dispatchEvent(new Event('open'));
    await holder;
    await until(async () =>
      Boolean(await visible(db.userReader('')).catch((error) => t.type(error, DatabaseBusy) && null)),
    );
    t.ok(await db.user(randomUUID(), visible), 'the connection was returned');
  },
);

t.test('a busy pool refuses only the calls that wait for it, and the calls of the other role are served', async (t) => {
  const db = opened(t, await createDatabase(t), 2);
  const sleep = statement('SELECT pg_sleep(3)');
  const slow = [db.systemReader().rows(sleep, []), db.systemReader().rows(sleep, [])];
  const waiters = [() => visible(db.systemReader()), () => db.system(visible)];
  const outcomes = await Promise.allSettled(waiters.map((ask) => ask()));
  await t.resolves(visible(db.userReader('')), 'PostgreSQL does not count as unavailable for the other role');
  for (const outcome of outcomes) t.type(outcome.status === 'rejected' && outcome.reason, DatabaseBusy);
  await t.resolves(Promise.all(slow), 'the calls with the connections succeed');
  for (const ask of waiters) await t.resolves(ask(), 'the calls that waited work now');
});

t.test('after one call has waited for a server that never answers, no other call waits for that server', async (t) => {
  const silent = createServer((socket) => {
    socket.on('error', () => undefined).resume(); // a socket that is not read does not notice its end
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => silent.close());
  const url = `postgres://tenantry_app@127.0.0.1:${(silent.address() as AddressInfo).port}/tenantry`;
  for (const ask of [(db: Database) => visible(db.userReader('')), (db: Database) => db.system(visible)]) {
    const db = opened(t, { appUrl: url, systemUrl: url }, 2);
    await t.rejects(ask(db), DatabaseUnavailable);
    await t.rejects(
      ask(db),
      { name: 'DatabaseUnavailable', message: 'PostgreSQL does not answer' },
      'the next call fails at once',
    );
  }
});

t.test('a server that does not exist is an outage for every kind of access', async (t) => {
  const database = await createDatabase(t);
  const dead = (url: string) => Object.assign(new URL(url), { port: '1' }).href;
  const away = opened(t, { ...database, appUrl: dead(database.appUrl), systemUrl: dead(database.systemUrl) });
  const asks: (() => Promise<unknown>)[] = [
    () => away.ping(),
    () => visible(away.userReader('')),
    () => visible(away.systemReader()),
    () => away.system(visible),
    () => away.organization({ organizationId: randomUUID() }, visible),
  ];
  for (const ask of asks) {
    await t.rejects(ask(), { name: 'DatabaseUnavailable', retryAfterSeconds: 1 });
  }
});

t.test(
  'a transaction aborted again and again because of others gets "try later", which does not count as an outage',
  async (t) => {
    const db = opened(t, await createDatabase(t));
    for (const state of ['40P01', '40001']) {
      const undone = statement(`DO $$ BEGIN RAISE EXCEPTION 'undone' USING ERRCODE = '${state}'; END $$`);
      await t.rejects(db.systemReader().rows(undone, []), DatabaseBusy, state);
      await t.rejects(
        db.system((tx) => tx.rows(undone, [])),
        DatabaseBusy,
        `${state} in a transaction`,
      );
      await db.ping();
    }
  },
);
