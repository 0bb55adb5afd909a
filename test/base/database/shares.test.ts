// Each organization, user, service client and network has a share of the connections. Here a lock in PostgreSQL blocks
// the work of one of them, and the work of the others continues.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Database, DatabaseBusy, openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { type Requester, workFor } from '../../../src/base/platform/requester.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { holdUser, openTransaction, waiters } from '../../support/locks.ts';
import { seedTenants, type Tenant, visible } from './tenants.ts';

const log = openLog({ level: 'silent', pretty: false });
const LOCK = statement('SELECT 1 FROM organizations WHERE id = $1::uuid FOR NO KEY UPDATE');
const LOCK_USER = statement('SELECT 1 FROM users WHERE id = $1::uuid FOR NO KEY UPDATE');
const USED = `SELECT application_name AS pool, count(*)::int AS used FROM pg_stat_activity
  WHERE datname = $1 AND application_name LIKE 'tenantry%' AND state <> 'idle' GROUP BY 1 ORDER BY 1`;
const PATIENT = { statementMs: 100_000, acquireMs: 100_000 };

async function opened(t: Test, bounds = PATIENT) {
  const database = await createDatabase(t);
  const [flooding, quiet] = (await seedTenants(database, 2)) as [Tenant, Tenant];
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 6, log, bounds });
  t.teardown(() => db.close());
  return { database, db, flooding, quiet };
}

/** Locks the row of the organization until the returned function is called. */
async function hold(t: Test, database: TestDatabase, { organizationId }: Tenant): Promise<() => Promise<unknown>> {
  const client = await openTransaction(t, database);
  await client.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organizationId]);
  return () => client.query('COMMIT');
}

const change = (db: Database, { organizationId }: Tenant) =>
  db.organization({ organizationId }, (tx) => tx.rows(LOCK, [organizationId]));

function requester(subject: string): Requester & { leave(): void } {
  let listeners: (() => void)[] = [];
  return {
    subject,
    isSent: false,
    onGone(listener) {
      listeners.push(listener);
      return () => {
        listeners = listeners.filter((kept) => kept !== listener);
      };
    },
    leave() {
      for (const listener of listeners) listener();
    },
  };
}

t.test(
  '600 changes that wait for the lock of one organization hold two connections, and another one is served',
  async (t) => {
    const { database, db, flooding, quiet } = await opened(t);
    const release = await hold(t, database, flooding);
    const flood = Array.from({ length: 600 }, () => change(db, flooding));
    await waiters(database, 2);
    for (let turn = 0; turn < 20; turn += 1) {
      await change(db, quiet);
      await visible(db.organizationReader(quiet));
    }
    t.same(await database.query(USED, [database.name]), [{ pool: 'tenantry', used: 2 }]);
    await t.resolves(visible(db.organizationReader(flooding)), 'the organization itself can still read');
    await release();
    t.equal((await Promise.all(flood)).length, 600, 'all changes of the flooding organization are made');
  },
);

t.test('changes of the system role take the share of the organization that they lock', async (t) => {
  const { database, db, flooding } = await opened(t);
  const release = await hold(t, database, flooding);
  const { organizationId } = flooding;
  const accept = () => db.system((tx) => tx.rows(LOCK, [organizationId]), { organizationId });
  const flood = Array.from({ length: 30 }, (_, index) => workFor(requester(`user ${index}`), accept));
  await waiters(database, 2);
  await t.resolves(workFor(requester('user elsewhere'), () => db.system(visible)));
  t.same(await database.query(USED, [database.name]), [{ pool: 'tenantry-system', used: 2 }]);
  await release();
  t.equal((await Promise.all(flood)).length, 30);
});

t.test('all requesters together cannot take the connection of the service itself', async (t) => {
  const { database, db, flooding } = await opened(t);
  const release = await hold(t, database, flooding);
  const lock = () => db.systemReader().rows(LOCK, [flooding.organizationId]);
  const flood = Array.from({ length: 30 }, (_, index) => workFor(requester(`network ${index}`), lock));
  await waiters(database, 5);
  for (let turn = 0; turn < 20; turn += 1) {
    await db.ping();
    await db.system(visible);
    await visible(db.systemReader());
  }
  t.same(await database.query(USED, [database.name]), [{ pool: 'tenantry-system', used: 5 }]);
  await release();
  await Promise.all(flood);
});

t.test('work in the scope of a user takes the share of the requester', async (t) => {
  const { database, db, flooding, quiet } = await opened(t);
  const { organizationId, userId } = flooding;
  const held = await holdUser(t, database, userId);
  const lock = () => db.user(userId, (tx) => tx.rows(LOCK_USER, [userId]));
  const flood = Array.from({ length: 9 }, () => workFor(requester(`organization ${organizationId}`), lock));
  await waiters(database, 2);
  const own = workFor(requester(`organization ${quiet.organizationId}`), () => db.user(userId, visible));
  await t.resolves(own, 'the same user, for another organization');
  t.same(await database.query(USED, [database.name]), [{ pool: 'tenantry', used: 2 }]);
  await held.query('COMMIT');
  await Promise.all(flood);
});

t.test('a requester who leaves the queue is not served, and takes no place', async (t) => {
  const { database, db, flooding } = await opened(t);
  const release = await hold(t, database, flooding);
  const asked = Array.from({ length: 20 }, (_, index) => {
    const from = requester(`user ${index}`);
    return { from, outcome: workFor(from, () => change(db, flooding)) };
  });
  const settled = Promise.allSettled(asked.map(({ outcome }) => outcome));
  await waiters(database, 2);
  for (const { from } of asked) from.leave();
  await release();
  const [first, second, ...others] = await settled;
  t.same([first?.status, second?.status], ['fulfilled', 'fulfilled'], 'a task that has begun is finished');
  for (const { status, reason } of others as PromiseRejectedResult[]) {
    t.equal(status, 'rejected');
    t.type(reason, DatabaseBusy);
  }
  await t.resolves(Promise.all(Array.from({ length: 20 }, () => change(db, flooding))));
});

t.test('waiting for too long is refused as busy, and PostgreSQL does not count as unavailable', async (t) => {
  const { database, db, flooding, quiet } = await opened(t, { ...PATIENT, acquireMs: 2_000 });
  await Promise.all([flooding, flooding, quiet, quiet].map((tenant) => change(db, tenant))); // opens the connections
  const release = await hold(t, database, flooding);
  const flood = Promise.allSettled(Array.from({ length: 5 }, () => change(db, flooding)));
  await waiters(database, 2);
  await t.rejects(change(db, flooding), { name: 'DatabaseBusy', message: 'no connection became free in time' });
  await t.resolves(change(db, quiet));
  await release();
  const refused = (await flood).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  t.equal(refused.length, 3);
  for (const { reason } of refused) t.type(reason, DatabaseBusy);
});

t.test(
  'work that holds a connection gets a second one, even when its organization has used up its share',
  async (t) => {
    const { db, flooding } = await opened(t);
    const { organizationId } = flooding;
    const both = Promise.withResolvers<void>();
    let begun = 0;
    const nested = () =>
      db.organization({ organizationId }, async () => {
        begun += 1;
        if (begun === 2) both.resolve();
        await both.promise; // two transactions are all that the organization may have
        await db.organization({ organizationId }, visible);
        await visible(db.systemReader());
        return visible(db.organizationReader({ organizationId }));
      });
    for (const seen of await Promise.all([nested(), nested()])) t.same(seen?.organizations, [organizationId]);
  },
);

t.test('work that fails in any way returns its connection', async (t) => {
  const { db, flooding, quiet } = await opened(t);
  const fail = statement('SELECT 1 / ($1::int - $1::int)');
  const kinds = [
    () => db.organization(flooding, () => Promise.reject(new Error('own'))),
    () => db.organization(flooding, (tx) => tx.rows(fail, [1])),
    () => db.organizationReader(flooding, { bulk: true }).rows(fail, [1]),
    () => db.user(randomUUID(), (tx) => tx.rows(fail, [1])),
    () => db.system((tx) => tx.rows(fail, [1])),
    () => db.systemReader({ bulk: true }).rows(fail, [1]),
  ];
  const asked = Array.from({ length: 120 }, (_, index) => {
    const kind = kinds[index % kinds.length] as () => Promise<unknown>;
    return workFor(requester(`user ${index % 3}`), kind);
  });
  for (const { status } of await Promise.allSettled(asked)) if (status !== 'rejected') t.fail('it did not fail');
  for (const tenant of [flooding, quiet]) {
    await t.resolves(Promise.all(Array.from({ length: 12 }, () => change(db, tenant))));
  }
  await t.resolves(Promise.all(Array.from({ length: 12 }, () => db.system(visible))));
});
