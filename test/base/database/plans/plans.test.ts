// PostgreSQL plans the most frequent requests of the service on a database of 20,000 users without a full scan. A
// missing index, or a query that no index can answer, appears as a full scan of a table or an index. bench/scale.ts
// measures the cost of these requests with a million users.
import t, { type Test } from 'tap';
import { pathsOf, requestEach, signInParticipants } from '../../../../bench/scale/paths.ts';
import { seedDatabase } from '../../../../bench/scale/seed-rows.ts';
import { createDatabase } from '../../../support/database.ts';
import { testPersonal } from '../../../support/personal.ts';
import { openService } from '../../../support/service.ts';
import { judgedByWholeSet, LARGE_TABLES, openPlanRelay, readFromEndToEnd, tellPlans } from './relay.ts';

const SHAPE = { users: 20_000, organizations: 2_000 };
// A connection plans a statement again for each of the first five calls. Then it may keep one plan for all values.
const REQUESTS = 8;

async function open(t: Test) {
  const database = await createDatabase(t);
  const { population } = await seedDatabase(database.adminUrl, { ...SHAPE, personal: testPersonal });
  const relay = await openPlanRelay(database.adminUrl);
  t.teardown(() => relay.close());
  const [appUrl, systemUrl] = [relay.through(database.appUrl), relay.through(database.systemUrl)];
  const large = new Set((await database.query<{ name: string }>(LARGE_TABLES)).map(({ name }) => name));
  return {
    database,
    large,
    /** Opens a service, sends each request to it several times, and returns what was found in the reported plans. */
    async plansOf(t: Test, mode: 'auto' | 'force_generic_plan') {
      for (const setting of tellPlans(database.name, mode)) await database.query(setting);
      // One connection for each role, so that the sixth request of a kind uses the same connection as the first.
      const service = await openService(t, { ...database, appUrl, systemUrl }, { DATABASE_POOL_SIZE: '1' });
      const seeded = { api: service.api, query: database.query, population };
      const paths = pathsOf(await signInParticipants(seeded, { ordinary: 3, owners: 2 }));
      relay.take();
      await requestEach(service.api, paths, REQUESTS);
      await service.app.close();
      const plans = relay.take();
      const found = (judge: typeof readFromEndToEnd, tables: ReadonlySet<string>) => [
        ...new Set(plans.flatMap((plan) => judge(plan, tables).map((what) => `${what}: ${plan.statement}`))),
      ];
      const statements = new Set(plans.map(({ statement }) => statement));
      return {
        statements,
        read: found(readFromEndToEnd, large),
        gathered: found(judgedByWholeSet, new Set(['users'])),
      };
    },
  };
}

t.test('on a database of 20,000 users', async (t) => {
  const { database, large, plansOf } = await open(t);

  for (const mode of ['auto', 'force_generic_plan'] as const) {
    await t.test(`lists, searches, checks and sign-ins make no full scan (${mode})`, async (t) => {
      const { statements, read, gathered } = await plansOf(t, mode);
      const told = [...statements].join('\n');
      for (const table of large) t.match(told, new RegExp(`\\b${table}\\b`), `plans of ${table} are reported`);
      t.same(read, [], 'no table scan, and no index scan without a key');
      t.same(gathered, [], 'no policy collects all members to check one');
    });
  }

  await t.test('a missing index is reported as a full scan', async (t) => {
    await database.query(`DROP INDEX memberships_user_id_idx, users_email_lookup_key, organizations_name_search_idx,
      sessions_user_id_idx, sessions_organization_id_idx`);
    const { read } = await plansOf(t, 'auto');
    const tables = new Set(read.map((what) => /^\w+/.exec(what)?.[0]));
    // Without the index of the lookups, a sign-in also scans the passwords, because one statement finds account and
    // hash.
    t.same([...tables].sort(), ['memberships', 'organizations', 'passwords', 'sessions', 'users']);
  });
});
