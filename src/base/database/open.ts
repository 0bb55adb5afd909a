// Prepares a database for the service: checks its version, its migrations and the two roles of the service. With the
// role that owns the tables, it first creates the roles and applies the migrations. Returns the addresses of the two
// roles.
import pg from 'pg';
import { assertMigrated, migrate } from './migrate.ts';
import { APP_ROLE, assertServerVersion, assertServiceRole, ensureServiceRoles, roleUrl, SYSTEM_ROLE } from './roles.ts';
import { NO_RIGHT } from './unusable.ts';

export interface DatabaseUrls {
  readonly appUrl: string;
  readonly systemUrl: string;
}

export interface PrepareOptions {
  /** The role that owns the tables. Without this role the database is only checked. */
  readonly ownerUrl: string | undefined;
  readonly appUrl: string | undefined;
  readonly systemUrl: string | undefined;
  readonly migrationsDirectory: string;
  readonly onMigrated?: (names: readonly string[]) => void;
}

/**
 * Runs work on its own connection, and then closes the connection. Raises the error of the connection or of the work.
 */
export async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString,
    application_name: 'tenantry-start',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined); // the running query fails through its own promise
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Checks, creates and migrates what is needed. Raises DatabaseRefused, MigrationRefused, or the connection's error. */
export async function prepareDatabase(options: PrepareOptions): Promise<DatabaseUrls> {
  const { ownerUrl, migrationsDirectory } = options;
  const named = options.appUrl !== undefined && options.systemUrl !== undefined;
  if (ownerUrl !== undefined) {
    await withClient(ownerUrl, async (client) => {
      await assertServerVersion(client);
      if (!named) await ensureServiceRoles(client, ownerUrl);
      const migrated = await migrate(client, migrationsDirectory);
      options.onMigrated?.(migrated);
    });
  }
  const appUrl = options.appUrl ?? roleUrl(required(ownerUrl), APP_ROLE);
  const systemUrl = options.systemUrl ?? roleUrl(required(ownerUrl), SYSTEM_ROLE);
  await withClient(appUrl, async (client) => {
    await assertServerVersion(client);
    await assertMigrated(client, migrationsDirectory).catch(async (error: unknown) => {
      // When the role has no right to read the table of migrations, this check names the missing right.
      const { cause } = error as { readonly cause?: { readonly code?: string } };
      if (cause?.code === NO_RIGHT) await assertServiceRole(client, 'app');
      throw error;
    });
    await assertServiceRole(client, 'app');
  });
  await withClient(systemUrl, (client) => assertServiceRole(client, 'system'));
  return { appUrl, systemUrl };
}

function required(ownerUrl: string | undefined): string {
  if (ownerUrl === undefined) throw new TypeError('Name the owner role, or both roles of the service');
  return ownerUrl;
}
