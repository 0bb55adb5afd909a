// Work across organizations may have its own time limits, longer or shorter than the usual ones: one for each statement
// and one for the whole work.
import t from 'tap';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const TIMEOUT = statement(`SELECT current_setting('statement_timeout') AS bound, current_user::text AS role`);
const CONNECTIONS = `SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name = 'tenantry-system-long'`;

t.test('long work has its own time limit and connection with the same role, and leaves neither behind', async (t) => {
  const database = await createDatabase(t);
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const asked = () => db.system((tx) => tx.rows(TIMEOUT, []), { timeoutMs: 600_000 });
  t.same(await asked(), [{ bound: '10min', role: 'tenantry_system' }]);
  t.same(await db.system((tx) => tx.rows(TIMEOUT, [])), [{ bound: '5s', role: 'tenantry_system' }]);
  const forever = statement('SELECT 1 AS slept FROM pg_sleep(60)');
  await t.rejects(
    db.system((tx) => tx.rows(forever, []), { timeoutMs: 100 }),
    { name: 'DatabaseBusy' },
  );
  t.same(await asked(), [{ bound: '10min', role: 'tenantry_system' }], 'then it continues');
  await until(async () => (await database.query(CONNECTIONS, [database.name])).length === 0);
  t.pass('every connection is closed');
});
