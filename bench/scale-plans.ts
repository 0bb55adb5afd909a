// Owns: the plans behind the measured paths on a planted database, and that none of them reads a large table from one
// end to the other. Leaves to others: how plans are told (test/base/database/plans/relay.ts), the paths (scale-paths.ts).
import { demand } from '../scripts/prove/proof.ts';
import type { Testbed } from '../scripts/prove/testbed.ts';
import { LARGE_TABLES, openPlanRelay, readFromEndToEnd, tellPlans } from '../test/base/database/plans/relay.ts';
import { openApi } from '../test/support/client.ts';
import { enter, pathsOf, walk } from './scale-paths.ts';
import type { Population } from './seed-shape.ts';

// A connection plans a statement anew five times before it may keep one plan for all values.
const REQUESTS = 8;

export interface PlannedDatabase {
  readonly name: string;
  readonly ownerUrl: string;
  readonly population: Population;
  readonly query: <Row>(text: string, values?: unknown[]) => Promise<Row[]>;
}

/** Walks every path, with plans made for the values and with plans made for all values. Raises NotShown when one reads a table of more than 1,000 rows as a whole. */
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
      // One connection of each role: then the sixth request of a path meets the same one as the first.
      const through = { ...settings, DATABASE_URL: relay.through(ownerUrl), DATABASE_POOL_SIZE: '1' };
      const service = await testbed.startService({ settings: through });
      const api = openApi(service.url);
      const participants = await enter({ api, query, population }, { ordinary: REQUESTS, owners: REQUESTS });
      relay.take();
      await walk(api, pathsOf(participants), REQUESTS);
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
  demand(seen > 0, 'no plan was told');
  demand(read.size === 0, `tables with more than 1,000 rows are read from end to end:\n${[...read].join('\n')}`);
  return `no sequential scan in ${seen} plans of ${statements.size} statements, nor an index read without a key`;
}
