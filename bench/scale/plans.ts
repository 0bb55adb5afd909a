// The check that no query plan of the measured paths reads a large table as a whole, on a seeded database. Other files
// read the plans (test/base/database/plans/relay.ts) and have the paths (paths.ts).
import { demand } from '../../scripts/prove/proof.ts';
import type { Testbed } from '../../scripts/prove/testbed.ts';
import { LARGE_TABLES, openPlanRelay, readFromEndToEnd, tellPlans } from '../../test/base/database/plans/relay.ts';
import { openApi } from '../../test/support/client.ts';
import { pathsOf, requestEach, signInParticipants } from './paths.ts';
import type { Population } from './seed-shape.ts';

// A connection plans a statement five times before it may keep one plan for all values.
const REQUESTS = 8;

export interface PlannedDatabase {
  readonly name: string;
  readonly ownerUrl: string;
  readonly population: Population;
  readonly query: <Row>(text: string, values?: unknown[]) => Promise<Row[]>;
}

/**
 * Requests every path, with plans made for the values and with plans made for all values. Raises NotShown if a plan
 * reads a table of more than 1,000 rows as a whole.
 */
export async function assertNoSequentialScan(
  testbed: Testbed,
  database: PlannedDatabase,
  settings: Record<string, string>,
): Promise<string> {
  const { ownerUrl, population, query } = database;
  const large = new Set((await query<{ name: string }>(LARGE_TABLES)).map(({ name }) => name));
  const relay = await openPlanRelay(ownerUrl);
  const [read, statements] = [new Set<string>(), new Set<string>()];
  let seen = 0;
  try {
    for (const mode of ['auto', 'force_generic_plan'] as const) {
      for (const setting of tellPlans(database.name, mode)) await query(setting);
      // Each role has one connection. So the sixth request of a path uses the same connection as the first.
      const through = { ...settings, DATABASE_URL: relay.through(ownerUrl), DATABASE_POOL_SIZE: '1' };
      const service = await testbed.startService({ settings: through });
      const api = openApi(service.url);
      const participants = await signInParticipants(
        { api, query, population },
        { ordinary: REQUESTS, owners: REQUESTS },
      );
      relay.take();
      await requestEach(api, pathsOf(participants), REQUESTS);
      await service.end('SIGTERM');
      for (const plan of relay.take()) {
        seen += 1;
        statements.add(plan.statement);
        for (const what of readFromEndToEnd(plan, large)) read.add(`${what}: ${plan.statement}`);
      }
    }
  } finally {
    await relay.close();
  }
  demand(seen > 0, 'no plan was logged');
  demand(read.size === 0, `tables with more than 1,000 rows are read as a whole:\n${[...read].join('\n')}`);
  return `no sequential scan in ${seen} plans of ${statements.size} statements, nor an index read without a key`;
}
