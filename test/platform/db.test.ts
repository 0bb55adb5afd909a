// The door to the database: what each scope sees, that no scope outlives its work, and what an outage becomes.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import {
  type Database,
  DatabaseUnavailable,
  openDatabase,
  type Reader,
  statement,
  type Transaction,
} from '../../src/platform/db.ts';
import { openLog } from '../../src/platform/log.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';

const log = openLog({ level: 'silent', pretty: false });

function opened(t: Test, { appUrl, systemUrl }: TestDatabase, poolSize = 3): Database {
  const db = openDatabase({ appUrl, systemUrl, poolSize, log });
  t.teardown(() => db.close());
  return db;
}

interface Tenant {
  readonly organizationId: string;
  readonly userId: string;
}

/** So many organizations, each with one member, who is a member of the next one, too. */
async function tenants(database: TestDatabase, count: number): Promise<Tenant[]> {
  const all = Array.from({ length: count }, () => ({ organizationId: randomUUID(), userId: randomUUID() }));
  for (const { organizationId, userId } of all) {
    await database.query('INSERT INTO users (id, email, email_key, name) VALUES ($1, $2, $2, $2)', [
      userId,
      `${userId}@x.org`,
    ]);
    await database.query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [userId, 'x']);
    await database.query('INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)', [
      organizationId,
      organizationId.slice(0, 8),
    ]);
  }
  for (const [index, { userId }] of all.entries()) {
    for (const step of [0, 1]) {
      const organizationId = all[(index + step) % count]?.organizationId;
      await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [
        organizationId,
        userId,
      ]);
    }
  }
  return all;
}

const VISIBLE = statement(`
SELECT (SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM organizations) AS organizations,
  (SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM users) AS users,
  (SELECT count(*)::int FROM memberships) AS memberships,
  (SELECT count(*)::int FROM passwords) AS passwords`);

interface Visible {
  organizations: string[];
  users: string[];
  memberships: number;
  passwords: number;
}

async function visible(asked: Reader<string>): Promise<Visible | undefined> {
  return (await asked.rows<Visible>(VISIBLE, []))[0];
}

t.test('each scope sees exactly what is its own, in a transaction and by a reader', async (t) => {
  const database = await createDatabase(t);
  const db = opened(t, database);
  const all = await tenants(database, 4);
  const [a, b, , d] = all as [Tenant, Tenant, Tenant, Tenant];
  const sorted = (...ids: string[]) => ids.toSorted();

  const ofOrganization = {
    organizations: [b.organizationId],
    users: sorted(a.userId, b.userId),
    memberships: 2,
    passwords: 0,
  };
  t.strictSame(await db.organization({ organizationId: b.organizationId }, visible), ofOrganization);
  t.strictSame(await visible(db.organizationReader({ organizationId: b.organizationId })), ofOrganization);

  const ofUser = {
    organizations: sorted(d.organizationId, a.organizationId),
    users: [d.userId],
    memberships: 2,
    passwords: 1,
  };
  t.strictSame(await db.user(d.userId, visible), ofUser);
  t.strictSame(await visible(db.userReader(d.userId)), ofUser);

  const acting = { organizationId: b.organizationId, userId: d.userId };
  const ofBoth = { ...ofOrganization, users: sorted(a.userId, b.userId, d.userId), passwords: 1 };
  t.strictSame(await db.organization(acting, visible), ofBoth, 'a user within an organization: it, and their own row');

  const everything = {
    organizations: sorted(...all.map(({ organizationId }) => organizationId)),
    users: sorted(...all.map(({ userId }) => userId)),
    memberships: 8,
    passwords: 4,
  };
  t.strictSame(await db.system(visible), everything);
  t.strictSame(await visible(db.systemReader()), everything);

  const nothing = { organizations: [], users: [], memberships: 0, passwords: 0 };
  for (const id of ['', randomUUID()]) {
    t.strictSame(await db.organization({ organizationId: id }, visible), nothing, `organization ${id || 'none'}`);
    t.strictSame(await visible(db.userReader(id)), nothing, `user ${id || 'none'}`);
  }
});

const RENAME_FOREIGN = statement(`UPDATE organizations SET name = 'stolen' WHERE id = $1 RETURNING id`);
const DELETE_FOREIGN = statement('DELETE FROM memberships WHERE organization_id = $1 RETURNING 1');
const INSERT_FOREIGN = statement('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)');
const FAIL = statement('SELECT 1 / ($1::int - $1::int)');
const UNDO = statement('ROLLBACK');

class OwnFailure extends Error {}

/** What the connection says once the transaction, and with it the scope, is undone: nothing must be left of it. */
async function leftOver(tx: Transaction<string>): Promise<number> {
  await tx.rows(UNDO, []);
  const seen = await visible(tx);
  return (seen?.organizations.length ?? 1) + (seen?.users.length ?? 1) + (seen?.memberships ?? 1);
}

t.test('2,000 mixed operations, many of them failing, on three connections never see a foreign row', async (t) => {
  const database = await createDatabase(t);
  const db = opened(t, database, 3);
  const all = await tenants(database, 5);
  const wrong: string[] = [];
  const outcomes: Record<string, number> = {};
  const expectOwn = (seen: Visible | undefined, ids: readonly string[], what: string) => {
    if (seen?.organizations.join() !== ids.toSorted().join()) wrong.push(`${what}: ${JSON.stringify(seen)}`);
  };

  async function one(turn: number): Promise<void> {
    const self = all[turn % 5] as Tenant;
    const next = all[(turn + 1) % 5] as Tenant;
    const far = all[(turn + 2) % 5] as Tenant;
    const scope = { organizationId: self.organizationId };
    const kinds: (() => Promise<unknown>)[] = [
      async () => expectOwn(await db.organization(scope, visible), [self.organizationId], 'organization'),
      async () => expectOwn(await visible(db.organizationReader(scope)), [self.organizationId], 'reader'),
      async () => expectOwn(await db.user(self.userId, visible), [self.organizationId, next.organizationId], 'user'),
      async () =>
        expectOwn(await visible(db.userReader(self.userId)), [self.organizationId, next.organizationId], 'user reader'),
      async () =>
        expectOwn(
          await db.system(visible),
          all.map((tenant) => tenant.organizationId),
          'system',
        ),
      async () => {
        const found = await db.organization(scope, (tx) => tx.models.membership.findMany());
        if (found.some((row) => row.organizationId !== self.organizationId)) wrong.push('models');
      },
      async () => {
        const rows = await db
          .organizationReader(scope)
          .rows(turn % 2 ? RENAME_FOREIGN : DELETE_FOREIGN, [far.organizationId]);
        if (rows.length > 0) wrong.push('a foreign row was changed');
      },
      () => db.organizationReader(scope).rows(INSERT_FOREIGN, [far.organizationId, self.userId]),
      () => db.organization(scope, (tx) => tx.rows(FAIL, [turn])),
      () => db.organizationReader(scope).rows(FAIL, [turn]),
      () => db.userReader(self.userId).rows(FAIL, [turn]),
      () =>
        db.organization(scope, async (tx) => {
          await visible(tx);
          throw new OwnFailure();
        }),
      () => db.organizationReader({ organizationId: 'no uuid' }).rows(VISIBLE, []),
      () =>
        db.organization(scope, async (tx) => {
          const left = await leftOver(tx);
          if (left > 0) wrong.push(`${left} rows without a scope`);
        }),
    ];
    const kind = turn % kinds.length;
    const outcome = await (kinds[kind] as () => Promise<unknown>)().then(
      () => 'done',
      (error: Error & { code?: string }) => (error instanceof OwnFailure ? 'thrown' : (error.code ?? error.name)),
    );
    outcomes[`${kind} ${outcome}`] = (outcomes[`${kind} ${outcome}`] ?? 0) + 1;
  }

  let turn = 0;
  const worker = async () => {
    while (turn < 2_000) {
      turn += 1;
      await one(turn);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  t.strictSame(wrong, []);
  t.equal(Object.keys(outcomes).length, 14, `every kind ended in one way: ${JSON.stringify(outcomes)}`);
  const [state] = await database.query(
    `SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int AS open, count(*) <= 6 AS bounded
     FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'tenantry%'`,
    [database.name],
  );
  t.strictSame(state, { open: 0, bounded: true }, 'no transaction is left open, no pool outgrew its size');
  t.strictSame(await database.query(`SELECT count(*)::int AS total FROM organizations WHERE name = 'stolen'`), [
    { total: 0 },
  ]);
});

t.test('instants are right whatever time zone the server thinks it is in', async (t) => {
  const database = await createDatabase(t);
  for (const role of ['tenantry_app', 'tenantry_system']) {
    await database.query(`ALTER ROLE ${role} IN DATABASE ${database.name} SET timezone = 'Asia/Tokyo'`);
  }
  const db = opened(t, database);
  const at = new Date('2026-03-29T01:30:00.123Z');
  const id = randomUUID();
  await db.system((tx) => tx.models.event.create({ data: { id, type: 'x', at } }));
  const epoch = await database.query('SELECT extract(epoch FROM at)::float8 * 1000 AS ms FROM events WHERE id = $1', [
    id,
  ]);
  t.strictSame(epoch, [{ ms: at.getTime() }], 'as PostgreSQL understood it');
  const read = statement(
    'SELECT at, abs(extract(epoch FROM now() - $2::timestamptz)) < 60 AS near FROM events WHERE id = $1',
  );
  const values = [id, new Date()];
  t.strictSame(await db.systemReader().rows(read, values), [{ at, near: true }], 'by the driver');
  t.strictSame(await db.system((tx) => tx.rows(read, values)), [{ at, near: true }], 'by a raw query of Prisma');
  t.same(
    await db.system((tx) => tx.models.event.findFirst({ where: { id }, select: { at: true } })),
    { at },
    'by a model',
  );
});

t.test('connections that are cut off under load are told as an outage, nothing else, and come back', async (t) => {
  const database = await createDatabase(t);
  const db = opened(t, database, 4);
  const [tenant] = (await tenants(database, 2)) as [Tenant, Tenant];
  const scope = { organizationId: tenant.organizationId };
  const asks = [
    () => db.organization(scope, visible),
    () => db.user(tenant.userId, (tx) => tx.models.organization.findMany()),
    () => db.system((tx) => tx.models.user.updateMany({ data: { name: 'x' } })),
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
  while (answered < before + 50 && foreign.length === 0) await new Promise(setImmediate);
  goOn = false;
  await Promise.all(load);
  t.strictSame(foreign.map(String), [], 'every failure is DatabaseUnavailable');
  t.ok(refused > 0, 'some calls were hit');
  for (const ask of asks) t.ok(await ask(), 'every way in works again');
});

t.test('a statement that takes too long is given up, and the others are not affected', async (t) => {
  const db = opened(t, await createDatabase(t), 2);
  const sleep = statement('SELECT pg_sleep(60)');
  const slow = [
    db.systemReader().rows(sleep, []),
    db.system((tx) => tx.rows(sleep, [])),
    db.userReader('').rows(sleep, []),
  ];
  const outcomes = Promise.allSettled(slow);
  await t.resolves(db.userReader('').rows(VISIBLE, []), 'meanwhile another one is answered');
  for (const outcome of await outcomes) t.type(outcome.status === 'rejected' && outcome.reason, DatabaseUnavailable);
  await t.resolves(db.ping(), 'and PostgreSQL does not count as away');
});

t.test('when every connection is taken a call is refused after its wait, and served again afterwards', async (t) => {
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
  for (const outcome of waiting) t.type(outcome.status === 'rejected' && outcome.reason, DatabaseUnavailable);
  gate.dispatchEvent(new Event('open'));
  await holder;
  while (!(await visible(db.userReader('')).catch((error) => t.type(error, DatabaseUnavailable) && null))) {
    await new Promise(setImmediate);
  }
  t.ok(await db.user(randomUUID(), visible), 'the connection was given back');
});

t.test('a server that is not there is an outage for every way in', async (t) => {
  const database = await createDatabase(t);
  const dead = (url: string) => Object.assign(new URL(url), { port: '1' }).href;
  const away = opened(t, { ...database, appUrl: dead(database.appUrl), systemUrl: dead(database.systemUrl) });
  for (const ask of [
    () => away.ping(),
    () => visible(away.userReader('')),
    () => visible(away.systemReader()),
    () => away.system(visible),
    () => away.organization({ organizationId: randomUUID() }, visible),
  ]) {
    await t.rejects(ask(), { name: 'DatabaseUnavailable', retryAfterSeconds: 1 });
  }
});
