// Runs statements without the filters of the application, as the role of the service. The statements request every row.
import pg from 'pg';
import t from 'tap';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { openService } from '../support/service.ts';
import { cases } from '../support/thorough.ts';
import { chance, populate } from './population.ts';

const seed = Number(process.env.TENANT_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Returns the tables with an organization, from the catalogue of PostgreSQL, and whether the service's role may read
 * them.
 */
async function tenantTables(database: TestDatabase): Promise<{ name: string; readable: boolean }[]> {
  return database.query<{ name: string; readable: boolean }>(
    `SELECT c.relname AS name, has_column_privilege('tenantry_app', c.oid, 'organization_id', 'SELECT') AS readable FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE a.attname = 'organization_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
       AND c.relnamespace = 'public'::regnamespace ORDER BY 1`,
  );
}

async function foreignRows(client: pg.Client, table: string, organization: string): Promise<number> {
  const text = `SELECT count(*)::int AS foreign_rows FROM ${table}
    WHERE organization_id IS DISTINCT FROM $1::uuid AND NOT (organization_id IS NULL AND $2)`;
  const { rows } = await client.query(text, [organization === '' ? null : organization, table === 'roles']);
  return rows[0].foreign_rows;
}

t.test('a statement without any filter sees no row of another organization, on used and new connections', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const below = chance(seed);
  const { model } = await populate(service, database, below);
  const all = await tenantTables(database);
  t.same(
    all.filter(({ readable }) => !readable).map(({ name }) => name),
    ['idempotency_keys'],
    'the only table of which an organization reads nothing',
  );
  const tables = all.filter(({ readable }) => readable).map(({ name }) => name);
  const used = new pg.Client({ connectionString: database.appUrl });
  await used.connect();
  t.teardown(() => used.end());
  const count = cases(600);
  let seen = 0;
  for (let round = 0; round < count; round += 1) {
    const organization = below(5) === 0 ? '' : (model.organizations[below(model.organizations.length)]?.id ?? '');
    const fresh = round % 50 === 0;
    const client = fresh ? new pg.Client({ connectionString: database.appUrl }) : used;
    if (fresh) await client.connect();
    await client.query('BEGIN');
    await client.query("SELECT set_config('app.current_org_id', $1, true)", [organization]);
    for (const table of tables) {
      const foreign = await foreignRows(client, table, organization);
      if (foreign > 0) t.fail(`${table}: ${foreign} foreign rows as ${organization || 'nobody'} in round ${round}`);
      const { rows } = await client.query(
        `SELECT count(*)::int AS visible FROM ${table} WHERE organization_id IS NOT NULL`,
      );
      if (organization === '' && rows[0].visible > 0) t.fail(`${table}: rows are seen without an organization`);
      seen += rows[0].visible;
    }
    await client.query(below(2) === 0 ? 'COMMIT' : 'ROLLBACK');
    if (fresh) await client.end();
  }
  t.ok(seen > 15 * count, `own rows were seen ${seen} times`);
});
