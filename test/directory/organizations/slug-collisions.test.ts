// Slugs of many organizations with the same name: each gets the first free number that a search in the index finds, and
// no number is used twice.
import t from 'tap';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { newId } from '../../../src/base/platform/random.ts';
import { chooseSlug, insertOrganization } from '../../../src/directory/organizations/insert-organization.ts';
import { listFreeSlugNumbers } from '../../../src/directory/organizations/store.ts';
import { type Api, atOnce, type Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

/** Inserts organizations with the slugs `base`, `base-1`, …, and leaves some numbers free. */
async function insertNumbered(database: TestDatabase, base: string, count: number, free: number[] = []): Promise<void> {
  await database.query(
    `INSERT INTO organizations (id, name, slug)
     SELECT gen_random_uuid(), $1, CASE WHEN n = 0 THEN $1 ELSE $1 || '-' || n END
     FROM generate_series(0, $2::int - 1) n WHERE n <> ALL ($3::int[])`,
    [base, count, free],
  );
}

function create(api: Api, token: string, name: string): Promise<Reply> {
  return api.post('/organizations', { name }, { token });
}

/** Returns the new slugs, sorted. A failed creation gives its error in place of a slug. */
function slugsOf(replies: readonly Reply[]): string[] {
  const slugOf = ({ status, code, body }: Reply) =>
    status === 201 ? (body.data.slug ?? body.data.organization.slug) : `${status} ${code}`;
  return replies.map(slugOf).sort();
}

function numbered(base: string, numbers: readonly number[]): string[] {
  return numbers.map((number) => (number === 0 ? base : `${base}-${number}`)).sort();
}

t.test('among 3,000 equal names the free numbers are used first, even by simultaneous creations', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token } = await newAccount(api);
  await insertNumbered(database, 'acme', 3000, [7, 1500]);
  t.same(slugsOf([await create(api, token, 'Acme')]), ['acme-7']);
  const rest = slugsOf(await atOnce(6, () => create(api, token, 'Acme')));
  t.same(rest, numbered('acme', [1500, 3000, 3001, 3002, 3003, 3004]));
});

t.test('the search for free numbers reads only the index, once per number, up to its limit', async (t) => {
  const database = await createDatabase(t);
  await insertNumbered(database, 'acme', 3000, [7, 1500]);
  await insertNumbered(database, 'other', 3000);
  const log = openLog({ level: 'silent', pretty: false });
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 1, log });
  t.teardown(() => db.close());
  const system = db.systemReader();
  const readings = async () => {
    // The pool has one connection, because each PostgreSQL process keeps its own statistics until it reports them.
    await system.rows(statement('SELECT pg_stat_force_next_flush()'), []);
    await system.rows(statement('SELECT 1'), []);
    const [row] = await database.query<{ whole: number; looks: number }>(
      `SELECT seq_scan::int AS whole, idx_scan::int AS looks FROM pg_stat_user_tables WHERE relname = 'organizations'`,
    );
    return row ?? { whole: 0, looks: 0 };
  };
  const search = async (count: number, numberMax: number) => {
    const before = await readings();
    const free = await listFreeSlugNumbers(system, 'acme', { count, numberMax });
    const after = await readings();
    return { free, whole: after.whole - before.whole, looks: after.looks - before.looks };
  };
  t.same(await search(1, 10_000), { free: [7], whole: 0, looks: 8 });
  t.same(await search(2, 10_000), { free: [7, 1500], whole: 0, looks: 1501 });
  t.same(await search(4, 10_000), { free: [7, 1500, 3000, 3001], whole: 0, looks: 3002 });
  t.same(await search(4, 100), { free: [7], whole: 0, looks: 101 });
});

t.test('if the search finds no free number, a creation still succeeds with an unused number', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token } = await newAccount(api);
  await insertNumbered(database, 'acme', 10_001);
  const slugs = slugsOf(await atOnce(4, () => create(api, token, 'Acme')));
  t.equal(new Set(slugs).size, 4);
  for (const slug of slugs) t.match(slug, /^acme-\d{1,10}$/);
});

t.test('simultaneous creations all succeed and get the first free numbers, in many rounds', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { accessToken: token } = await newAccount(api);
  for (let round = 1; round <= rounds(50); round += 1) {
    const slugs = slugsOf(await atOnce(8, () => create(api, token, `Nr ${round} Ltd`)));
    t.same(slugs, numbered(`nr-${round}-ltd`, [0, 1, 2, 3, 4, 5, 6, 7]));
  }
});

t.test('a creation that loses its slug to others searches again, and does not try their slugs', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const { userId: ownerId } = await newAccount(api);
  const { parts } = app;
  const slug = await chooseSlug(parts, 'Acme', null);
  await insertNumbered(database, 'acme', 60);
  const creation = {
    organizationId: newId(parts.random, parts.clock),
    ownerId,
    actorId: ownerId,
    name: 'Acme',
    slug,
  };
  let tries = 0;
  const created = await parts.db.system((tx) => {
    const models = new Proxy(tx.models, {
      get(target, name) {
        if (name === 'organization') tries += 1;
        return Reflect.get(target, name);
      },
    });
    return insertOrganization(parts, { ...tx, models }, creation);
  });
  t.equal(created?.organization.slug, 'acme-60');
  t.equal(tries, 2);
});

t.test('60 simultaneous creations of one name, registrations included, get the first 60 numbers', async (t) => {
  // Each creation has its own connection, so that a busy machine does not refuse the last one after a long wait.
  const { api } = await openService(t, await createDatabase(t), { DATABASE_POOL_SIZE: '60' });
  const { accessToken: token } = await newAccount(api);
  const replies = await atOnce(60, (index) => {
    if (index % 10 > 0) return create(api, token, 'Busy Name');
    const account = { email: `owner-${index}@example.com`, password: 'correct horse battery', name: 'Ada' };
    return api.post('/auth/register', { ...account, organizationName: 'Busy Name' });
  });
  const first = Array.from({ length: 60 }, (_, number) => number);
  t.same(slugsOf(replies), numbered('busy-name', first));
});
