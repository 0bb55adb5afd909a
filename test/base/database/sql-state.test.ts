// A refusal of PostgreSQL has one of three shapes: the error of a reader's statement, of a raw statement in a
// transaction, or of a Prisma model. The caller gets the same SQLSTATE for each shape.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import {
  type Database,
  openDatabase,
  type Statement,
  type SystemTx,
  statement,
} from '../../../src/base/database/db.ts';
import { isForeignKeyViolation, sqlStateOf } from '../../../src/base/database/sql-state.ts';
import { toProblem } from '../../../src/base/http/problems.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { isRoleGone } from '../../../src/directory/members/resolve-roles.ts';
import { isMembershipGone } from '../../../src/sign-in/sessions/store.ts';
import { createDatabase } from '../../support/database.ts';
import { seedTenants, type Tenant } from './tenants.ts';

type Shapes = Readonly<Record<string, unknown>>;

async function open(t: Test): Promise<{ db: Database; tenant: Tenant }> {
  const database = await createDatabase(t);
  const [tenant] = await seedTenants(database, 2);
  if (!tenant) throw new Error('no tenant was created');
  const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  return { db, tenant };
}

/** Returns the errors of a reader's statement, of the same statement in a transaction, and of a model. */
async function refused(
  db: Database,
  [asked, values]: readonly [Statement, readonly unknown[]],
  byModel?: (tx: SystemTx) => Promise<unknown>,
): Promise<Shapes> {
  const thrown = (work: Promise<unknown>) =>
    work.then(
      () => 'nothing was refused',
      (error: unknown) => error,
    );
  return {
    reader: await thrown(db.systemReader().rows(asked, values)),
    transaction: await thrown(db.system((tx) => tx.rows(asked, values))),
    ...(byModel && { model: await thrown(db.system(byModel)) }),
  };
}

function forEach(t: Test, shapes: Shapes, judge: (error: unknown, shape: string) => void): void {
  for (const [shape, error] of Object.entries(shapes)) judge(error, shape);
  const codes = Object.values(shapes).map((error) => (error as { code?: unknown }).code);
  t.equal(new Set(codes).size, codes.length, `the shapes differ: ${codes.join(', ')}`);
}

const INSERT_ASSIGNMENT = statement(`
INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $2::uuid)`);

t.test('a deleted role is recognised in every shape, and is not mistaken for a deleted membership', async (t) => {
  const { db, tenant } = await open(t);
  const { organizationId, userId } = tenant;
  const [id, roleId] = [randomUUID(), randomUUID()];
  const data = { id, organizationId, userId, roleId, roleOwnerKey: organizationId, scope: {} };
  const shapes = await refused(db, [INSERT_ASSIGNMENT, [id, organizationId, userId, roleId]], (tx) =>
    tx.models.roleAssignment.createMany({ data: [data] }),
  );
  forEach(t, shapes, (error, shape) => {
    t.ok(isRoleGone(error), shape);
    t.notOk(isMembershipGone(error), `${shape}: another key`);
    t.notOk(isForeignKeyViolation(error, 'role_assignments_once'), `${shape}: another constraint`);
  });
});

const INSERT_SESSION = statement(`
INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed,
  confirmed_at)
VALUES ($1::uuid, $2::uuid, $3::uuid, '{pwd}', now(), now(), now(), now(), $1::uuid, now())`);

t.test('a deleted membership is recognised in every shape, and is not mistaken for a deleted role', async (t) => {
  const { db, tenant } = await open(t);
  const [id, organizationId] = [randomUUID(), randomUUID()];
  const at = new Date();
  const times = { createdAt: at, lastSeenAt: at, idleExpiresAt: at, expiresAt: at, confirmedAt: at };
  const data = { id, userId: tenant.userId, organizationId, amr: ['pwd'], confirmed: id, ...times };
  const shapes = await refused(db, [INSERT_SESSION, [id, tenant.userId, organizationId]], (tx) =>
    tx.models.session.createMany({ data: [data] }),
  );
  forEach(t, shapes, (error, shape) => {
    t.ok(isMembershipGone(error), shape);
    t.notOk(isRoleGone(error), `${shape}: another key`);
  });
});

const INSERT_MEMBERSHIP = statement('INSERT INTO memberships (organization_id, user_id) VALUES ($1::uuid, $2::uuid)');

t.test('a repeated key has its SQLSTATE in every shape, and is not mistaken for a foreign key', async (t) => {
  const { db, tenant } = await open(t);
  const { organizationId, userId } = tenant;
  const shapes = await refused(db, [INSERT_MEMBERSHIP, [organizationId, userId]], (tx) =>
    tx.models.membership.createMany({ data: [{ organizationId, userId }] }),
  );
  forEach(t, shapes, (error, shape) => {
    t.equal(sqlStateOf(error), '23505', shape);
    t.notOk(isForeignKeyViolation(error, 'memberships_pkey'), shape);
  });
});

t.test('text that PostgreSQL cannot store is reported as a bad request in every shape', async (t) => {
  const { db } = await open(t);
  for (const [text, state] of [
    ['SELECT $1::text AS said', '22021'],
    ['SELECT $1::text::jsonb AS said', '22P05'],
  ] as const) {
    const said = state === '22021' ? 'a\0b' : '"\\u0000"';
    forEach(t, await refused(db, [statement(text), [said]]), (error, shape) => {
      t.equal(sqlStateOf(error), state, shape);
      t.equal(toProblem(error, () => null).code, 'validation_failed', `${shape}: ${state}`);
    });
  }
});

t.test('SQLSTATEs of different classes are read', async (t) => {
  for (const code of ['08006', '22P05', '2D000', '57P01', 'F0000', 'HV001', 'P0001', 'XX000'])
    t.equal(sqlStateOf({ code }), code);
});

t.test('an error that is not from PostgreSQL has no SQLSTATE', async (t) => {
  const codes = ['P2003', 'P2010', 'EPIPE', 'EPERM', 'ECONNREFUSED', 23503].map((code) => ({ code }));
  for (const error of [null, undefined, 'P2003', new Error('23503'), ...codes]) {
    t.equal(sqlStateOf(error), undefined, JSON.stringify(error));
    t.notOk(isForeignKeyViolation(error, 'sessions_organization_id_user_id_fkey'));
  }
});
