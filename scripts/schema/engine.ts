// Calls Prisma's schema engine (WebAssembly) to compare schema.prisma with the migrations. This is a development tool:
// the service migrates with src/base/database/migrate.ts. adapter.ts opens the connections.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import {
  type DiagnoseMigrationHistoryOutput,
  type DiffTarget,
  type MigrationList,
  SchemaEngine,
} from '@prisma/schema-engine-wasm';
import { schemaConnections } from './adapter.ts';

const PRISMA = fileURLToPath(new URL('../../prisma', import.meta.url));
export const MIGRATIONS = join(PRISMA, 'migrations');
const FILTERS = { externalTables: [], externalEnums: [] };

/** Returns the text of schema.prisma. */
export function readSchema(): string {
  return readFileSync(join(PRISMA, 'schema.prisma'), 'utf8');
}

function migrationList(): MigrationList {
  const names = readdirSync(MIGRATIONS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return {
    baseDir: MIGRATIONS,
    lockfile: {
      path: 'migration_lock.toml',
      content: readFileSync(join(MIGRATIONS, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: names
      .map(({ name }) => name)
      .sort()
      .map((path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: { tag: 'ok', value: readFileSync(join(MIGRATIONS, path, 'migration.sql'), 'utf8') },
        },
      })),
  };
}

async function ask<T>(databaseUrl: string, schema: string, question: (engine: SchemaEngine) => Promise<T>): Promise<T> {
  let panic = '';
  // The engine writes the message of a panic here. Without it the error would only say "unreachable".
  Object.assign(globalThis, {
    PRISMA_WASM_PANIC_REGISTRY: {
      set_message: (message: string) => {
        panic = message;
      },
    },
  });
  const connections = schemaConnections(databaseUrl);
  try {
    const engine = await SchemaEngine.new(
      { datamodels: [['schema.prisma', schema]] },
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(connections),
    );
    try {
      return await question(engine);
    } finally {
      engine.free();
    }
  } catch (error) {
    throw panic === '' ? error : new Error(`The schema engine gave up: ${panic}`, { cause: error });
  } finally {
    await connections.close();
  }
}

async function differenceTo(schema: string, databaseUrl: string, from: DiffTarget): Promise<string | null> {
  const to: DiffTarget = { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: schema }] };
  const { exitCode, stdout } = await ask(databaseUrl, schema, (engine) =>
    engine.diff({ from, to, script: true, exitCode: true, filters: FILTERS }),
  );
  return exitCode === 0 ? null : (stdout ?? '');
}

/**
 * Returns the SQL that leads from the migrations to the schema, or null if they agree. Replays the migrations in a
 * separate database on the server of the URL, so the role needs CREATEDB.
 */
export function findDriftOfMigrations(databaseUrl: string, schema = readSchema()): Promise<string | null> {
  return differenceTo(schema, databaseUrl, { tag: 'migrations', ...migrationList() });
}

/** Returns the SQL that leads from the tables of a database to the schema, or null if they agree. */
export function findDriftOfDatabase(databaseUrl: string, schema = readSchema()): Promise<string | null> {
  const files = [{ path: 'schema.prisma', content: schema }];
  return differenceTo(schema, databaseUrl, { tag: 'schemaDatasource', files, configDir: PRISMA });
}

/** Returns which migrations are pending, failed or edited in the database. */
export function diagnose(databaseUrl: string): Promise<DiagnoseMigrationHistoryOutput> {
  return ask(databaseUrl, readSchema(), (engine) =>
    engine.diagnoseMigrationHistory({
      migrationsList: migrationList(),
      optInToShadowDatabase: false,
      filters: FILTERS,
    }),
  );
}
