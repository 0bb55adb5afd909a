// After the migrations the database agrees with schema.prisma, and every table has the required properties.
// isolation.test.ts tests what the roles of the service can do in that database.
import t from 'tap';
import { diagnose, findDriftOfDatabase, findDriftOfMigrations, readSchema } from '../../../scripts/schema/engine.ts';
import { createDatabase } from '../../support/database.ts';

const TENANT_TABLES = `
SELECT c.oid, c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname`;

t.test('the migrations, the migrated database and schema.prisma agree', async (t) => {
  const database = await createDatabase(t);
  t.equal(await findDriftOfMigrations(database.adminUrl), null, 'the migrations produce schema.prisma');
  t.equal(await findDriftOfDatabase(database.adminUrl), null, 'the tables are those of schema.prisma');
  t.same(
    await diagnose(database.adminUrl),
    { editedMigrationNames: [], failedMigrationNames: [], hasMigrationsTable: true, history: null },
    'Prisma accepts the migrations of Tenantry’s runner as its own',
  );

  const further = readSchema().replace('model User {', 'model User {\n  shoeSize Int? @map("shoe_size")');
  t.match(await findDriftOfMigrations(database.adminUrl, further), 'shoe_size', 'a new schema column is seen');
  await database.query('ALTER TABLE users ADD COLUMN hat_size integer');
  t.match(await findDriftOfDatabase(database.adminUrl), 'hat_size', 'a new database column is seen');
});

t.test('every table of organizations has forced row-level security, complete policies, indexes and keys', async (t) => {
  const database = await createDatabase(t);
  const tables = await database.query<{ oid: number; name: string; enabled: boolean; forced: boolean }>(TENANT_TABLES);
  const names = tables.map(({ name }) => name);
  const known = `client_secrets clients events idempotency_keys invitation_roles invitations memberships outbox role_assignments roles sessions subscriptions unfinished_role_changes`;
  t.strictSame(names, known.split(' '));
  t.same(
    tables.filter(({ enabled, forced }) => !enabled || !forced),
    [],
    'ENABLE and FORCE',
  );

  const policies = await database.query<{ table: string; command: string; using: string | null; check: string | null }>(
    `SELECT tablename AS table, cmd AS command, qual AS using, with_check AS check FROM pg_policies WHERE 'tenantry_app' = ANY (roles)`,
  );
  const isOfOrganization = (text: string | null) => /organization_id = .*app\.current_org_id/.test(text ?? '');
  const guarded = policies.filter(
    ({ command, using, check }) => command === 'ALL' && isOfOrganization(using) && isOfOrganization(check),
  );
  t.strictSame(guarded.map(({ table }) => table).sort(), names, 'a policy with USING and WITH CHECK');
  const writing = policies.filter(({ command }) => command !== 'SELECT' && command !== 'DELETE');
  t.same(
    writing.filter(({ check }) => check === null || check === 'true'),
    [],
    'no policy allows every row to be written',
  );

  const led = await database.query<{ name: string }>(
    `SELECT DISTINCT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
     WHERE a.attname = 'organization_id' AND i.indpred IS NULL ORDER BY 1`,
  );
  t.strictSame(
    led.map(({ name }) => name),
    names,
    'an index that begins with organization_id',
  );

  const single = await database.query(
    `SELECT conname FROM pg_constraint WHERE contype = 'f' AND array_length(conkey, 1) = 1
     AND conrelid = ANY ($1::oid[]) AND confrelid = ANY ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  );
  t.same(single, [], 'foreign keys between tables of organizations are composite');
});

t.test('no table, view or function bypasses row-level security', async (t) => {
  const database = await createDatabase(t);
  const open = await database.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
     AND relname <> '_prisma_migrations' AND NOT (relrowsecurity AND relforcerowsecurity)`,
  );
  t.same(open, [], 'row-level security is forced on every table of the service');
  const views = await database.query(
    `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND (relkind = 'm'
     OR relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (reloptions), false))`,
  );
  t.same(views, [], 'views run with the rights of their caller');
  const definers = await database.query(
    `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef`,
  );
  t.same(definers, [], 'no function runs as its owner');
});
