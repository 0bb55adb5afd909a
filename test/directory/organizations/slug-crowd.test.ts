// Slugs where many organizations have one name: the first free number, found by the index, each given once.
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

/** So many organizations `base`, `base-1`, … as if each had been founded, but for the numbers left free. */
async function crowd(database: TestDatabase, base: string, count: number, free: number[] = []): Promise<void> {
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

/** The slugs that were given, sorted; instead of one, how a founding failed. */
function slugsOf(replies: readonly Reply[]): string[] {
  const slugOf = ({ status, code, body }: Reply) =>
    status === 201 ? (body.data.slug ?? body.data.organization.slug) : `${status} ${code}`;
  return replies.map(slugOf).sort();
}

function numbered(base: string, numbers: readonly number[]): string[] {
  return numbers.map((number) => (number === 0 ? base : `${base}-${number}`)).sort();
}

t.test('among 3,000 of one name the gaps are filled first, also by several at once', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token } = await newAccount(api);
  await crowd(database, 'acme', 3000, [7, 1500]);
  t.same(slugsOf([await create(api, token, 'Acme')]), ['acme-7']);
  const rest = slugsOf(await atOnce(6, () => create(api, token, 'Acme')));
  t.same(rest, numbered('acme', [1500, 3000, 3001, 3002, 3003, 3004]));
});

t.test('the search looks into the index only, once a number, until it has enough or comes to its end', async (t) => {
  const database = await createDatabase(t);
  await crowd(database, 'acme', 3000, [7, 1500]);
  await crowd(database, 'other', 3000);
  const log = openLog({ level: 'silent', pretty: false });
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 1, log });
  t.teardown(() => db.close());
  const system = db.systemReader();
  const readings = async () => {
    // By the only connection of the pool: each process of PostgreSQL counts for itself until told to say so.
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

t.test('past the end of the search a founding still succeeds, with a number of its own', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { accessToken: token } = await newAccount(api);
  await crowd(database, 'acme', 10_001);
  const slugs = slugsOf(await atOnce(4, () => create(api, token, 'Acme')));
  t.equal(new Set(slugs).size, 4);
  for (const slug of slugs) t.match(slug, /^acme-\d{1,10}$/);
});

t.test('foundings at the same moment all succeed and share out the first free numbers, in many rounds', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { accessToken: token } = await newAccount(api);
  for (let round = 1; round <= rounds(50); round += 1) {
    const slugs = slugsOf(await atOnce(8, () => create(api, token, `Nr ${round} Ltd`)));
    t.same(slugs, numbered(`nr-${round}-ltd`, [0, 1, 2, 3, 4, 5, 6, 7]));
  }
});

t.test(
  'a founding that a whole crowd was faster than looks again, and tries none of the slugs that they took',
  async (t) => {
    const database = await createDatabase(t);
    const { app, api } = await openService(t, database);
    const { userId: ownerId } = await newAccount(api);
    const { parts } = app;
    const slug = await chooseSlug(parts, 'Acme', null);
    await crowd(database, 'acme', 60);
    const founding = {
      organizationId: newId(parts.random, parts.clock),
      ownerId,
      actorId: ownerId,
      name: 'Acme',
      slug,
    };
    let tries = 0;
    const founded = await parts.db.system((tx) => {
      const models = new Proxy(tx.models, {
        get(target, name) {
          if (name === 'organization') tries += 1;
          return Reflect.get(target, name);
        },
      });
      return insertOrganization(parts, { ...tx, models }, founding);
    });
    t.equal(founded?.organization.slug, 'acme-60');
    t.equal(tries, 2);
  },
);

t.test('60 of one name at the same moment get the first 60 numbers, registrations among them', async (t) => {
  // A connection for each; nobody is refused because a busy machine lets the last one wait too long.
  const { api } = await openService(t, await createDatabase(t), { DATABASE_POOL_SIZE: '60' });
  const { accessToken: token } = await newAccount(api);
  const replies = await atOnce(60, (index) => {
    if (index % 10 > 0) return create(api, token, 'Crowded');
    const account = { email: `founder-${index}@example.com`, password: 'correct horse battery', name: 'Ada' };
    return api.post('/auth/register', { ...account, organizationName: 'Crowded' });
  });
  const first = Array.from({ length: 60 }, (_, number) => number);
  t.same(slugsOf(replies), numbered('crowded', first));
});
