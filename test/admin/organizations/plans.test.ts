// The query plan of the search among all organizations in a large database, with known and unknown parameter values.
import t from 'tap';
import {
  countAdministeredOrganizations,
  listAdministeredOrganizations,
  type OrganizationSearch,
} from '../../../src/admin/organizations/store.ts';
import type { Statement, SystemReader } from '../../../src/base/database/db.ts';
import { createDatabase } from '../../support/database.ts';
import { openTransaction } from '../../support/locks.ts';
import { testPersonal } from '../../support/personal.ts';

const database = await createDatabase(t);
await database.query(`
INSERT INTO organizations (id, name, slug, status)
SELECT gen_random_uuid(), 'Name ' || md5(n::text), 'slug-' || md5(n::text), CASE WHEN n % 500 = 0 THEN 'suspended' ELSE 'active' END
FROM generate_series(1, 20000) AS n`);
await database.query(`
INSERT INTO subscriptions (organization_id, plan, status, limits) SELECT id, 'trial', 'trialing', '{}' FROM organizations`);
await database.query('VACUUM ANALYZE organizations');
await database.query('VACUUM ANALYZE subscriptions');

/** The statements of the search and their values. */
async function asked(search: OrganizationSearch): Promise<[Statement, unknown[]][]> {
  const seen: [Statement, unknown[]][] = [];
  const reader: SystemReader = {
    personal: testPersonal,
    async rows<Row>(statement: Statement, values: readonly unknown[]) {
      seen.push([statement, [...values]]);
      return [] as Row[];
    },
  };
  await listAdministeredOrganizations(reader, search, { limit: 20, offset: 0 });
  await countAdministeredOrganizations(reader, search);
  return seen;
}

for (const mode of ['force_custom_plan', 'force_generic_plan']) {
  t.test(`a search makes no full table scan (${mode})`, async (t) => {
    const client = await openTransaction(t, database);
    await client.query(`SET LOCAL plan_cache_mode = ${mode}`);
    for (const search of [
      { prefix: 'slug-12345', status: null },
      { prefix: 'Name 1234', status: 'active' },
      { prefix: null, status: 'suspended' },
    ] as const) {
      for (const [{ text }, values] of await asked(search)) {
        const literals = values.map((value) =>
          typeof value === 'string' ? client.escapeLiteral(value) : String(value),
        );
        await client.query(`PREPARE searching AS ${text}`);
        const { rows } = await client.query(`EXPLAIN EXECUTE searching (${literals.join(', ')})`);
        await client.query('DEALLOCATE searching');
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        t.notMatch(plan, /Seq Scan/, `${JSON.stringify(search)}\n${plan}`);
      }
    }
  });
}
