// `npm run schema -- <command>`: compares schema.prisma with the migrations, without the engine that Prisma downloads.
//   diff           if the migrations do not lead to schema.prisma: prints the missing SQL and exits with 2
//   create <name>  writes that SQL as a new migration, for review
//   status         says which migrations the database in DATABASE_URL lacks
// diff and create use a disposable PostgreSQL, or the one in DATABASE_URL, whose role needs CREATEDB then.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbedded } from '../src/base/embedded/embedded.ts';
import { diagnose, findDriftOfDatabase, findDriftOfMigrations, MIGRATIONS } from './schema/engine.ts';

const USAGE = 'Usage: npm run schema -- diff | create <name> | status';

async function withDatabase<T>(work: (url: string) => Promise<T>): Promise<T> {
  if (process.env.DATABASE_URL) return work(process.env.DATABASE_URL);
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-schema-'));
  chmodSync(folder, 0o755); // PostgreSQL does not run as root, and must be able to enter
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const postgres = await startEmbedded({ directory: join(folder, 'postgres'), disposable: true });
  try {
    return await work(postgres.adminUrl);
  } finally {
    await postgres.stop();
  }
}

async function diff(): Promise<number> {
  const sql = await withDatabase((url) => findDriftOfMigrations(url));
  if (sql === null) console.log('The migrations lead to schema.prisma.');
  else console.log(`The migrations do not lead to schema.prisma. What is missing:\n\n${sql}`);
  return sql === null ? 0 : 2;
}

async function create(name: string | undefined): Promise<number> {
  if (!name || !/^[a-z][a-z0-9_]{0,60}$/.test(name)) {
    console.error('A migration needs a name of lower-case letters, digits and underscores.');
    return 1;
  }
  const sql = await withDatabase((url) => findDriftOfMigrations(url));
  if (sql === null) {
    console.log('The migrations already lead to schema.prisma. Nothing was written.');
    return 0;
  }
  const instant = new Date().toISOString().replace(/\D/g, '').slice(0, 14);
  const directory = join(MIGRATIONS, `${instant}_${name}`);
  mkdirSync(directory);
  writeFileSync(join(directory, 'migration.sql'), sql);
  console.log(
    `Wrote ${directory}/migration.sql. Add policies and grants for new tables by hand: see docs/database.md.`,
  );
  return 0;
}

async function status(): Promise<number> {
  if (!process.env.DATABASE_URL) {
    console.error('status needs the database in DATABASE_URL, which is not set.');
    return 1;
  }
  const found = await diagnose(process.env.DATABASE_URL);
  const drift = await findDriftOfDatabase(process.env.DATABASE_URL);
  console.log(JSON.stringify(found, null, 2));
  if (drift !== null) console.log(`The tables differ from schema.prisma. What is missing:\n\n${drift}`);
  const unclean = [...found.failedMigrationNames, ...found.editedMigrationNames];
  return drift === null && found.history === null && unclean.length === 0 ? 0 : 2;
}

// An interrupted run also stops its PostgreSQL: embedded.ts does that when the process exits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const [command, name] = process.argv.slice(2);
if (command === 'diff') process.exitCode = await diff();
else if (command === 'create') process.exitCode = await create(name);
else if (command === 'status') process.exitCode = await status();
else {
  console.error(USAGE);
  process.exitCode = 1;
}
