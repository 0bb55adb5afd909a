// Checks the version, migrations, roles, policies, writes and clock of a database, and reports every finding to a
// person. The start of the service makes some of these checks too, but stops at the first failure.
import type pg from 'pg';
import type { Clock } from '../platform/clock.ts';
import { assertMigrated } from './migrate.ts';
import { type DatabaseUrls, withClient } from './open.ts';
import { assertWritten, WRITE_PROBE } from './probe.ts';
import { APP_ROLE, assertServerVersion, assertServiceRole, DatabaseRefused, SYSTEM_ROLE } from './roles.ts';
import { explainUnusable } from './unusable.ts';

export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was found. If something is wrong and the remedy is known, the text also says what to do. */
  readonly detail: string;
}

const SKEW_OK_SECONDS = 5;
const SKEW_MAX_SECONDS = 60;

const REFUSED_LOGIN = /^28/;

/** The reason why a role of the service cannot connect, as explainLoginError returns it; null when both can connect. */
export async function findLoginProblem(urls: DatabaseUrls, ownerUrl: string | undefined): Promise<unknown> {
  for (const url of [urls.appUrl, urls.systemUrl]) {
    try {
      await withClient(url, async () => undefined);
    } catch (error) {
      return explainLoginError(error, ownerUrl);
    }
  }
  return null;
}

/**
 * Explains why a role of the service cannot connect. When PostgreSQL refused the role or its password and the owner can
 * connect, returns a DatabaseRefused that says what to do. If the owner cannot connect either, returns the error of the
 * owner. Returns the error unchanged in any other case.
 */
export async function explainLoginError(error: unknown, ownerUrl: string | undefined): Promise<unknown> {
  const { code = '', message } = error as Error & { readonly code?: string };
  if (ownerUrl === undefined || !REFUSED_LOGIN.test(code)) return error;
  try {
    return await withClient(ownerUrl, async (client) => new DatabaseRefused(await describeRoles(client, message)));
  } catch (refused) {
    return refused;
  }
}

async function describeRoles(client: pg.Client, message: string): Promise<string> {
  const { rows } = await client.query<{ found: number; may: boolean }>(
    `SELECT (SELECT count(*)::int FROM pg_roles WHERE rolname = ANY($1)) AS found, rolsuper OR rolcreaterole AS may
     FROM pg_roles WHERE rolname = current_user`,
    [[APP_ROLE, SYSTEM_ROLE]],
  );
  if (rows[0]?.may === false) {
    return `the roles of the service cannot connect (${message}), and the role in DATABASE_URL may not create them: give it CREATEROLE, then run tenantry migrate; or create ${APP_ROLE} and ${SYSTEM_ROLE} by hand and name them in DATABASE_APP_URL and DATABASE_SYSTEM_URL`;
  }
  if (rows[0]?.found === 2) {
    return `the roles of the service cannot connect (${message}), but the role in DATABASE_URL can: run tenantry migrate, which sets their passwords again`;
  }
  return 'the database is not set up yet: run tenantry migrate, or start the service once';
}

/** Checks the database as the two roles of the service. Raises nothing: a failure becomes a finding. */
export async function examineDatabase(
  urls: DatabaseUrls,
  { migrationsDirectory, clock }: { readonly migrationsDirectory: string; readonly clock: Clock },
): Promise<Finding[]> {
  const app = await asFindings('database', () =>
    withClient(urls.appUrl, async (client) => [
      await finding('database', () => describeServer(client)),
      await finding('migrations', async () => {
        await assertMigrated(client, migrationsDirectory);
        return 'at the version of this program';
      }),
      await finding('role of the service', async () => {
        await assertServiceRole(client, 'app');
        return 'bound by row-level security';
      }),
      await finding('policies', () => describePolicies(client)),
      await finding('writes', () => describeWrites(client)),
      await examineClock(client, clock),
    ]),
  );
  const system = await asFindings('system role', () =>
    withClient(urls.systemUrl, async (client) => [
      await finding('system role', async () => {
        await assertServiceRole(client, 'system');
        return 'has its own policies, and no BYPASSRLS';
      }),
    ]),
  );
  return [...app, ...system];
}

/**
 * Runs one check. Returns an `ok` finding with the text that the check returns, or a failed finding with the error of
 * the check.
 */
export async function finding(name: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { name, status: 'ok', detail: await check() };
  } catch (error) {
    const { message, code } = error as Error & { readonly code?: string };
    return { name, status: 'fail', detail: message === '' ? (code ?? 'failed') : message };
  }
}

async function asFindings(name: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  let found: Finding[] = [];
  const whole = await finding(name, async () => {
    found = await check();
    return '';
  });
  return whole.status === 'ok' ? found : [whole];
}

async function describeServer(client: pg.Client): Promise<string> {
  await assertServerVersion(client);
  const { rows } = await client.query<{ version: string; name: string }>(
    `SELECT current_setting('server_version') AS version, current_database() AS name`,
  );
  return `PostgreSQL ${rows[0]?.version}, database ${rows[0]?.name}`;
}

const UNGUARDED = `
SELECT c.relname AS name, count(*) OVER ()::int AS total FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE c.relkind IN ('r', 'p') AND c.relname <> '_prisma_migrations' AND NOT (
  c.relrowsecurity AND c.relforcerowsecurity
  AND (NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped)
    OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
      AND p.polqual IS NOT NULL AND p.polwithcheck IS NOT NULL)))
ORDER BY 1`;

async function describePolicies(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ name: string }>(UNGUARDED);
  if (rows.length > 0) {
    const names = rows.map(({ name }) => name).join(', ');
    throw new Error(
      `some tables have no forced row-level security (${names}): run the migrations, then ALTER TABLE … FORCE ROW LEVEL SECURITY`,
    );
  }
  return 'every table has forced row-level security';
}

async function describeWrites(client: pg.Client): Promise<string> {
  try {
    const { rows } = await client.query<{ readOnly: boolean }>(WRITE_PROBE.text);
    assertWritten(rows[0]);
    return 'are stored';
  } catch (error) {
    throw new Error(explainUnusable(error)?.detail ?? (error as Error).message, { cause: error });
  }
}

async function examineClock(client: pg.Client, clock: Clock): Promise<Finding> {
  let skew = 0;
  const found = await finding('clock', async () => {
    const before = clock.now().getTime();
    const { rows } = await client.query<{ now: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
    );
    const after = clock.now().getTime();
    skew = ((rows[0]?.now ?? before) - (before + after) / 2) / 1000;
    return `differs by ${Math.abs(skew).toFixed(1)} s from the clock of the database`;
  });
  if (found.status === 'fail' || Math.abs(skew) <= SKEW_OK_SECONDS) return found;
  const status = Math.abs(skew) > SKEW_MAX_SECONDS ? 'fail' : 'warn';
  return { ...found, status, detail: `${found.detail}: keep both machines on time (NTP)` };
}
