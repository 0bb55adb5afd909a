// When two transactions deadlock, PostgreSQL aborts one of them, and the service runs that one again.
import t from 'tap';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createDatabase } from '../../support/database.ts';
import { seedTenants } from './tenants.ts';

const LOCK = statement('SELECT 1 FROM users WHERE id = $1::uuid FOR UPDATE');

t.test(
  'of two transactions that wait for each other, PostgreSQL ends one, which is run again: both succeed',
  async (t) => {
    const database = await createDatabase(t);
    const planted = await seedTenants(database, 2);
    const [one = '', two = ''] = planted.map(({ userId }) => userId);
    const db = openDatabase({ ...database, poolSize: 4, log: openLog({ level: 'silent', pretty: false }) });
    t.teardown(() => db.close());
    let begun = 0;
    const { promise: both, resolve } = Promise.withResolvers<void>();
    let attempts = 0;
    const inOrder = (first: string, second: string) =>
      db.system(async (tx) => {
        attempts += 1;
        await tx.rows(LOCK, [first]);
        begun += 1;
        if (begun === 2) resolve();
        await both; // each transaction has the lock that the other transaction requests next
        await tx.rows(LOCK, [second]);
        return first;
      });
    t.same(await Promise.all([inOrder(one, two), inOrder(two, one)]), [one, two]);
    // The repeated transaction may lock its first row before the other transaction wakes up. Then both deadlock again.
    t.ok(attempts >= 3, `${attempts} attempts`);
  },
);
