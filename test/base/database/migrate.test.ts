// The migration runner applies each pending migration once. A migration that fails leaves no changes and blocks all
// later migrations. Prisma's own engine accepts the result.
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import { diagnose, findDriftOfDatabase } from '../../../scripts/schema/engine.ts';
import { assertMigrated, migrate, readMigrations } from '../../../src/base/database/migrate.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { waiters } from '../../support/locks.ts';
import { MIGRATIONS } from '../../support/template.ts';

async function connected(t: Test, database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.ownerUrl });
  await client.connect();
  t.teardown(() => client.end());
  return client;
}

/** Creates a folder of migrations, which the test changes. */
function folder(t: Test, files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'tenantry-migrations-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'migration_lock.toml'), 'provider = "postgresql"\n');
  for (const [name, sql] of Object.entries(files)) put(path, name, sql);
  return path;
}

function put(path: string, name: string, sql: string): void {
  mkdirSync(join(path, name), { recursive: true });
  writeFileSync(join(path, name, 'migration.sql'), sql);
}

interface Row {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
  logs: string | null;
  applied_steps_count: number;
}

function recorded(database: TestDatabase): Promise<Row[]> {
  return database.query<Row & Record<string, unknown>>('SELECT * FROM _prisma_migrations ORDER BY started_at');
}

async function tables(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_prisma_migrations' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

const SIMPLE = {
  '1_one': 'CREATE TABLE one (id int)',
  '2_two': 'CREATE TABLE two (id int); INSERT INTO two VALUES (1)',
};

t.test('an empty database gets every migration in order, and a second run finds nothing to do', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  const names = readMigrations(MIGRATIONS).map(({ name }) => name);
  await t.rejects(assertMigrated(client, MIGRATIONS), { name: 'MigrationRefused', message: /is not migrated yet/ });
  t.strictSame(await migrate(client, MIGRATIONS), names);
  t.strictSame(names, names.toSorted());
  const before = await recorded(database);
  t.strictSame(await migrate(client, MIGRATIONS), []);
  t.strictSame(await recorded(database), before);
  t.ok(before.every(({ finished_at, applied_steps_count }) => finished_at && applied_steps_count === 1));
  await assertMigrated(client, MIGRATIONS);
});

t.test("Prisma's engine sees the same history, checksums included, and no drift", async (t) => {
  const database = await createDatabase(t, null);
  await migrate(await connected(t, database), MIGRATIONS);
  t.match(await diagnose(database.adminUrl), {
    history: null,
    failedMigrationNames: [],
    editedMigrationNames: [],
    hasMigrationsTable: true,
  });
  t.equal(await findDriftOfDatabase(database.adminUrl), null);
  await database.query(`UPDATE _prisma_migrations SET checksum = repeat('0', 64)`);
  const names = readMigrations(MIGRATIONS).map(({ name }) => name);
  t.strictSame((await diagnose(database.adminUrl)).editedMigrationNames, names, 'the checksums are really compared');
});

t.test('when four runners start together, one applies the migrations and the others find none left', async (t) => {
  const database = await createDatabase(t, null);
  const clients = await Promise.all(Array.from({ length: 4 }, () => connected(t, database)));
  const applied = await Promise.all(clients.map((client) => migrate(client, MIGRATIONS)));
  t.strictSame(
    applied.flat().toSorted(),
    readMigrations(MIGRATIONS).map(({ name }) => name),
    'each was applied by exactly one of them',
  );
  t.equal((await recorded(database)).length, readMigrations(MIGRATIONS).length);
});

t.test('a runner stops waiting for another runner after a time limit', async (t) => {
  const database = await createDatabase(t, null);
  const [holder, waiter] = [await connected(t, database), await connected(t, database)];
  await holder.query('SELECT pg_advisory_lock(72707369)');
  await t.rejects(migrate(waiter, folder(t, SIMPLE), 50), {
    name: 'MigrationRefused',
    message: /another process is still migrating/,
  });
  await holder.query('SELECT pg_advisory_unlock(72707369)');
  t.strictSame(await migrate(waiter, folder(t, SIMPLE)), ['1_one', '2_two'], 'the migration can be started again');
});

t.test(
  'a migration that waits for the lock of a table lets other queries run, and is applied afterwards',
  async (t) => {
    const database = await createDatabase(t, null);
    const [client, reader] = [await connected(t, database), await connected(t, database)];
    const path = folder(t, SIMPLE);
    await migrate(client, path);
    put(path, '3_three', 'ALTER TABLE two ADD COLUMN more int');
    await reader.query('BEGIN');
    await reader.query('SELECT * FROM two'); // a lock like that of pg_dump
    const applying = migrate(client, path);
    await waiters(database, 1);
    const other = await connected(t, database);
    await other.query('SELECT * FROM two'); // waits for the migration until the migration gives up its lock for a moment
    await reader.query('COMMIT');
    t.strictSame(await applying, ['3_three']);
  },
);

t.test('a migration that fails is rolled back as a whole, is recorded, and blocks the later migrations', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  const path = folder(t, {
    ...SIMPLE,
    '2_two': 'CREATE TABLE two (id int); SELECT 1 / 0',
    '3_three': 'CREATE TABLE three ()',
  });
  await t.rejects(migrate(client, path), { name: 'MigrationRefused', message: /2_two failed: .*division by zero/ });
  t.strictSame(await tables(database), ['one'], 'earlier changes stay; the failed and the later migration leave none');
  const [, failed, ...more] = await recorded(database);
  t.match(failed, { migration_name: '2_two', finished_at: null, logs: /division by zero/, applied_steps_count: 0 });
  t.strictSame(more, []);

  put(path, '2_two', SIMPLE['2_two']);
  await t.rejects(
    migrate(client, path),
    { name: 'MigrationRefused', message: /2_two failed earlier/ },
    'a failed migration is refused even after it was corrected',
  );
  await t.rejects(assertMigrated(client, path), { message: /2_two failed earlier/ });
  t.strictSame(await tables(database), ['one']);
  await database.query(`UPDATE _prisma_migrations SET rolled_back_at = now() WHERE migration_name = '2_two'`);
  t.strictSame(await migrate(client, path), ['2_two', '3_three'], 'once resolved by hand it continues');
  t.strictSame(await tables(database), ['one', 'three', 'two']);
});

t.test('a migration that was edited or deleted is refused, the error names it, and nothing is applied', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  const path = folder(t, SIMPLE);
  await migrate(client, path);
  const edited = folder(t, { ...SIMPLE, '1_one': `${SIMPLE['1_one']} `, '3_three': 'CREATE TABLE three ()' });
  const missing = folder(t, { '2_two': SIMPLE['2_two'], '3_three': 'CREATE TABLE three ()' });
  const asks: ((asked: pg.Client, path: string) => Promise<unknown>)[] = [migrate, assertMigrated];
  for (const ask of asks) {
    await t.rejects(ask(client, edited), { name: 'MigrationRefused', message: /were edited \(1_one\)/ }, 'a blank');
    await t.rejects(ask(client, missing), { name: 'MigrationRefused', message: /does not know \(1_one\)/ });
  }
  t.strictSame(await tables(database), ['one', 'two']);
});

const LINES = { '1_one': 'CREATE TABLE one (\n  id int\n);\n', '2_two': 'CREATE TABLE two (\n  id int\n);\n' };
const withCrlf = (files: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(files).map(([name, sql]) => [name, sql.replaceAll('\n', '\r\n')]));
const sha256 = (text = '') => createHash('sha256').update(text).digest('hex');
const checksums = async (database: TestDatabase) => (await recorded(database)).map(({ checksum }) => checksum);

t.test('a checkout with CRLF accepts the checksums that one with LF recorded, and records the same', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  await migrate(client, folder(t, LINES));
  const newer = { ...LINES, '3_three': "CREATE TABLE three ();\nINSERT INTO one VALUES (length(E'\\\\\n'));\n" };
  const crlf = folder(t, withCrlf(newer));
  t.strictSame(await migrate(client, crlf), ['3_three']);
  await assertMigrated(client, crlf);
  await assertMigrated(client, folder(t, newer));
  t.strictSame(
    await checksums(database),
    Object.values(newer).map(sha256),
    'the checksums are those of a checkout with LF',
  );
  const [row] = await database.query<{ id: number }>('SELECT id FROM one');
  t.equal(row?.id, 2, 'the applied SQL is the same as well: a backslash and one line feed');
});

t.test('a checkout with LF accepts the checksums that one with CRLF recorded', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  const lf = folder(t, LINES);
  await migrate(client, lf);
  // Prisma's own engine computes the checksum of the unchanged file.
  for (const [name, sql] of Object.entries(withCrlf(LINES))) {
    await database.query('UPDATE _prisma_migrations SET checksum = $2 WHERE migration_name = $1', [name, sha256(sql)]);
  }
  const before = await recorded(database);
  for (const path of [lf, folder(t, withCrlf(LINES))]) {
    await assertMigrated(client, path);
    t.strictSame(await migrate(client, path), []);
  }
  t.strictSame(await recorded(database), before, 'the recorded checksum stays');
});

t.test('an edited migration is refused, both with LF and with CRLF line endings', async (t) => {
  const blank = { ...LINES, '2_two': LINES['2_two'].replace('\n', ' \n') };
  const line = { ...LINES, '2_two': `${LINES['2_two']}\n` };
  for (const [how, had] of Object.entries({ LF: LINES, CRLF: withCrlf(LINES) })) {
    const database = await createDatabase(t, null);
    const client = await connected(t, database);
    await migrate(client, folder(t, LINES));
    for (const [name, sql] of Object.entries(had)) {
      await database.query('UPDATE _prisma_migrations SET checksum = $2 WHERE migration_name = $1', [
        name,
        sha256(sql),
      ]);
    }
    for (const files of [blank, line, withCrlf(blank), withCrlf(line)]) {
      await t.rejects(migrate(client, folder(t, files)), { message: /were edited \(2_two\)/ }, `recorded ${how}`);
    }
  }
});

t.test('a newer version adds its migrations to the existing ones', async (t) => {
  const database = await createDatabase(t, null);
  const client = await connected(t, database);
  const path = folder(t, SIMPLE);
  await migrate(client, path);
  const newer = folder(t, {});
  cpSync(path, newer, { recursive: true });
  put(newer, '3_three', 'CREATE TABLE three ()');
  await t.rejects(assertMigrated(client, newer), { message: /is not migrated yet \(3_three\)/ });
  t.strictSame(await migrate(client, newer), ['3_three']);
  await assertMigrated(client, newer);
});
