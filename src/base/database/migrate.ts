// Applies prisma/migrations without Prisma's engine. The table, checksums, advisory lock and failure rules are those of
// `prisma migrate deploy`, so that each program can continue where the other one stopped.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../errors/operator-error.ts';
import { NO_RIGHT, RESTORED_WITHOUT_ROLES } from './unusable.ts';

/** The advisory lock that Prisma's schema engine takes. */
const MIGRATION_LOCK = 72707369;

const MIGRATIONS_TABLE = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`;

export interface Migration {
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file with LF line endings. New rows record this checksum. */
  readonly checksum: string;
  /**
   * SHA-256 of the file with CRLF line endings, and SHA-256 of its unchanged bytes. A process with another checkout may
   * have recorded one of these.
   */
  readonly otherChecksums: readonly string[];
}

/** A migration cannot be applied, or the database does not match the files. The message says what to do next. */
export class MigrationRefused extends OperatorError {
  override readonly name = 'MigrationRefused';
}

/** The migrations of a folder in the order in which they apply. */
export function readMigrations(directory: string): Migration[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(directory, entry.name, 'migration.sql')))
    .map((entry) => readMigration(entry.name, readFileSync(join(directory, entry.name, 'migration.sql'))))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

// Git may check out a file with CRLF. Different line endings are not an edit, so the checksum of the file with either
// kind of line ending is accepted.
function readMigration(name: string, raw: Buffer): Migration {
  const bytes = raw.toString('latin1'); // latin1 has one character for each byte, so no byte is lost
  const lf = Buffer.from(bytes.replaceAll('\r\n', '\n'), 'latin1');
  const crlf = Buffer.from(lf.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
  return { name, sql: lf.toString('utf8'), checksum: sha256(lf), otherChecksums: [sha256(crlf), sha256(raw)] };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

interface AppliedRow {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
}

/**
 * Returns the migrations that are not applied yet. Raises MigrationRefused when a migration failed, was edited, or is
 * missing on disk.
 */
function pendingMigrations(migrations: Migration[], rows: AppliedRow[]): Migration[] {
  const failed = rows.filter((row) => row.finished_at === null).map((row) => row.migration_name);
  if (failed.length > 0) {
    throw new MigrationRefused(
      `the migration ${failed.join(', ')} failed earlier: repair the database by hand, then set rolled_back_at in its row of _prisma_migrations`,
    );
  }
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]));
  const known = new Set(migrations.map((migration) => migration.name));
  const missing = [...applied.keys()].filter((name) => !known.has(name));
  if (missing.length > 0) {
    throw new MigrationRefused(
      `the database has migrations that this version does not know (${missing.join(', ')}): start the version that made them, or a newer one`,
    );
  }
  const edited = migrations.filter(({ name, checksum, otherChecksums }) => {
    const recorded = applied.get(name);
    return recorded !== undefined && recorded !== checksum && !otherChecksums.includes(recorded);
  });
  if (edited.length > 0) {
    throw new MigrationRefused(
      `applied migrations were edited (${edited.map((m) => m.name).join(', ')}): restore their files and add a new migration instead`,
    );
  }
  return migrations.filter((migration) => !applied.has(migration.name));
}

const APPLIED =
  'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL ORDER BY started_at';

/**
 * Applies the pending migrations and returns their names. Any number of processes may call this at the same time. One
 * process applies the migrations. The others wait for it, for at most `lockTimeoutMs`, and then find nothing to do.
 * Raises MigrationRefused.
 */
export async function migrate(client: pg.Client, directory: string, lockTimeoutMs = 60_000): Promise<string[]> {
  const migrations = readMigrations(directory);
  await takeMigrationLock(client, lockTimeoutMs);
  try {
    await client.query('RESET lock_timeout');
    await client.query(MIGRATIONS_TABLE);
    const { rows } = await client.query<AppliedRow>(APPLIED);
    const names: string[] = [];
    for (const migration of pendingMigrations(migrations, rows)) {
      await applyOne(client, migration);
      names.push(migration.name);
    }
    return names;
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
  }
}

async function takeMigrationLock(client: pg.Client, lockTimeoutMs: number): Promise<void> {
  await client.query(`SET lock_timeout = ${Math.trunc(lockTimeoutMs)}`);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    throw new MigrationRefused(
      'another process is still migrating the database: wait until it has ended, then start again',
      { cause: error },
    );
  }
}

async function applyOne(client: pg.Client, migration: Migration): Promise<void> {
  const id = randomUUID();
  await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [
    id,
    migration.checksum,
    migration.name,
  ]);
  try {
    await runBetweenLocks(client, migration.sql);
  } catch (error) {
    if (isLockTimeout(error)) {
      await client.query('DELETE FROM _prisma_migrations WHERE id = $1', [id]); // nothing was changed
      throw new MigrationRefused(
        `the migration ${migration.name} waits for a lock that another transaction holds: end long transactions such as a pg_dump, then start again`,
        { cause: error },
      );
    }
    await client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, String(error)]);
    throw new MigrationRefused(`the migration ${migration.name} failed: ${String(error)}`, { cause: error });
  }
  await client.query('UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = $1', [id]);
}

// A statement that waits for the lock of a table makes every later query of that table wait behind it. So a migration
// waits a few seconds only, lets the other queries run, and tries again. Its waits take less time in total than other
// processes wait for the lock of the migrations.
const LOCK_WAIT_MS = 3_000;
const LOCK_PAUSE_MS = 1_000;
const LOCK_TRIES = 12;

async function runBetweenLocks(client: pg.Client, sql: string): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_WAIT_MS}`);
  try {
    for (let left = LOCK_TRIES - 1; ; left -= 1) {
      try {
        await client.query(sql); // simple protocol: all statements of one message are one implicit transaction
        return;
      } catch (error) {
        if (!isLockTimeout(error) || left === 0) throw error;
        await delay(LOCK_PAUSE_MS);
      }
    }
  } finally {
    await client.query('RESET lock_timeout');
  }
}

// A deadlock with a running service undoes the whole message, as a lock timeout does. After either error, the migration
// may be tried again.
function isLockTimeout(error: unknown): boolean {
  return ['55P03', '40P01'].includes((error as { code?: string }).code ?? '');
}

/**
 * Raises MigrationRefused unless the database is exactly at the version of the folder. The role only needs the right to
 * read the table of the migrations.
 */
export async function assertMigrated(client: pg.Client, directory: string): Promise<void> {
  const { rows: table } = await client.query<{ found: boolean }>(
    `SELECT to_regclass('public._prisma_migrations') IS NOT NULL AS found`,
  );
  const rows = table[0]?.found ? await readApplied(client) : [];
  const pending = pendingMigrations(readMigrations(directory), rows);
  if (pending.length > 0) {
    throw new MigrationRefused(
      `the database is not migrated yet (${pending.map((m) => m.name).join(', ')}): run tenantry migrate, or start once with DATABASE_URL naming the role that owns the tables`,
    );
  }
}

async function readApplied(client: pg.Client): Promise<AppliedRow[]> {
  try {
    return (await client.query<AppliedRow>(APPLIED)).rows;
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string };
    if (code !== NO_RIGHT) throw error;
    throw new MigrationRefused(
      `the role of the service may not read the database (${message}): ${RESTORED_WITHOUT_ROLES}`,
      {
        cause: error,
      },
    );
  }
}
