// The access to the database: each scope sees its own rows, no scope outlives its work, and instants are correct.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { type Database, openDatabase, statement, type Transaction } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { seedTenants, type Tenant, VISIBLE, type Visible, visible } from './tenants.ts';

const log = openLog({ level: 'silent', pretty: false });

function opened(t: Test, { appUrl, systemUrl }: TestDatabase, poolSize = 3): Database {
  const bounds = { statementMs: 5_000, acquireMs: 100_000 }; // long enough for a busy machine
  const db = openDatabase({ appUrl, systemUrl, poolSize, log, bounds });
  t.teardown(() => db.close());
  return db;
}

t.test('each scope sees exactly its own rows, in a transaction and through a reader', async (t) => {
  const database = await createDatabase(t);
  const db = opened(t, database);
  const all = await seedTenants(database, 4);
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
  t.strictSame(await db.organization(acting, visible), ofBoth, 'a user in an organization: the rows of both');

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

/** Rolls the transaction back. Returns the number of rows that its connection can still see, which should be 0. */
async function leftOver(tx: Transaction<string>): Promise<number> {
  await tx.rows(UNDO, []);
  const seen = await visible(tx);
  return (seen?.organizations.length ?? 1) + (seen?.users.length ?? 1) + (seen?.memberships ?? 1);
}

t.test('2,000 mixed operations, many of them failing, on three connections never see a foreign row', async (t) => {
  const database = await createDatabase(t);
  const db = opened(t, database, 3);
  const all = await seedTenants(database, 5);
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
  t.equal(Object.keys(outcomes).length, 14, `every kind of operation had one outcome: ${JSON.stringify(outcomes)}`);
  const [state] = await database.query(
    `SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int AS open, count(*) <= 6 AS bounded
     FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'tenantry%'`,
    [database.name],
  );
  t.strictSame(state, { open: 0, bounded: true }, 'no transaction is left open, no pool exceeded its size');
  t.strictSame(await database.query(`SELECT count(*)::int AS total FROM organizations WHERE name = 'stolen'`), [
    { total: 0 },
  ]);
});

t.test('instants are correct in every time zone of the server', async (t) => {
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
  t.strictSame(epoch, [{ ms: at.getTime() }], 'it is the instant that PostgreSQL stored');
  const read = statement(
    'SELECT at, abs(extract(epoch FROM now() - $2::timestamptz)) < 60 AS near FROM events WHERE id = $1',
  );
  const values = [id, new Date()];
  t.strictSame(await db.systemReader().rows(read, values), [{ at, near: true }], 'through the driver');
  t.strictSame(await db.system((tx) => tx.rows(read, values)), [{ at, near: true }], 'through a raw query of Prisma');
  t.same(
    await db.system((tx) => tx.models.event.findFirst({ where: { id }, select: { at: true } })),
    { at },
    'through a model',
  );
});
