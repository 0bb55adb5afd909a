// The database roles of the service. Creates the two restricted roles if the owner has the right to do so, derives
// their passwords, and refuses a role to which row-level security would not apply.
import { createHmac, randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../errors/operator-error.ts';

export const APP_ROLE = 'tenantry_app';
export const SYSTEM_ROLE = 'tenantry_system';
const OLDEST_SERVER_VERSION = 150_000;

/**
 * The service cannot use the database or one of its roles. The message names the database or role and says what to do
 * next.
 */
export class DatabaseRefused extends OperatorError {
  override readonly name = 'DatabaseRefused';
}

/** Raises DatabaseRefused for a PostgreSQL older than 15, because the migrations use features of PostgreSQL 15. */
export async function assertServerVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; shown: string }>(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS shown`,
  );
  const found = rows[0];
  if (!found || found.version < OLDEST_SERVER_VERSION) {
    throw new DatabaseRefused(`PostgreSQL ${found?.shown ?? '?'} is too old: use PostgreSQL 15 or newer`);
  }
}

// When the owner's URL has a password, the passwords of the restricted roles are derived from it. All replicas compute
// the same passwords and store nothing. Without a password in the URL (peer, certificate or trust authentication), the
// restricted roles get no password.
function derivedPassword(ownerUrl: URL, role: string): string | null {
  if (ownerUrl.password === '') return null;
  const secret = decodeURIComponent(ownerUrl.password);
  return createHmac('sha256', secret).update(`tenantry database role ${role}`).digest('base64url');
}

/** The address of a restricted role on the owner's server. */
export function roleUrl(ownerUrl: string, role: string): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = derivedPassword(new URL(ownerUrl), role) ?? '';
  return url.href;
}

const ROLE_LOCK = 72707370;

/**
 * Creates the two restricted login roles, or updates their attributes and passwords. Concurrent calls wait for each
 * other. Raises DatabaseRefused when the owner lacks the right to do so.
 */
export async function ensureServiceRoles(client: pg.Client, ownerUrl: string): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [ROLE_LOCK]);
  try {
    for (const role of [APP_ROLE, SYSTEM_ROLE]) {
      const password = derivedPassword(new URL(ownerUrl), role);
      await repeatWhileOthersChange(() => ensureRole(client, role, password));
    }
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [ROLE_LOCK]).catch(() => undefined);
  }
}

const ROLE_TRIES = 50;

// Roles belong to the whole server, but the advisory lock belongs to one database. A process that starts with another
// database of the server may change the same role at the same moment. PostgreSQL then refuses one of the two changes.
async function repeatWhileOthersChange(work: () => Promise<void>): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await work();
    } catch (error) {
      if (tried === ROLE_TRIES || !isChangedByOthers(error)) throw error;
      await pause(randomInt(5, 50));
    }
  }
}

function isChangedByOthers(error: unknown): boolean {
  const { code, message = '', constraint } = error as { code?: string; message?: string; constraint?: string };
  if (code === 'XX000') return message.startsWith('tuple concurrently ');
  // Two inserts of the same role or setting: duplicate_object, or a violation of the unique index of a system table.
  return code === '42710' || (code === '23505' && constraint?.startsWith('pg_') === true);
}

async function ensureRole(client: pg.Client, role: string, password: string | null): Promise<void> {
  const name = client.escapeIdentifier(role);
  const { rows } = await client.query<Record<string, boolean>>(
    `SELECT rolsuper AS "SUPERUSER", rolbypassrls AS "BYPASSRLS", rolcreaterole AS "CREATEROLE",
       rolcreatedb AS "CREATEDB", rolreplication AS "REPLICATION" FROM pg_roles WHERE rolname = $1`,
    [role],
  );
  const found = rows[0];
  const excess = Object.entries(found ?? {}).flatMap(([attribute, held]) => (held ? [attribute] : []));
  if (excess.length > 0) {
    const without = excess.map((attribute) => `NO${attribute}`).join(' ');
    throw new DatabaseRefused(
      `the database role ${role} has ${excess.join(', ')}, which a role of the service must not have: run ALTER ROLE ${role} ${without}`,
    );
  }
  const secret = password === null ? '' : ` PASSWORD ${client.escapeLiteral(password)}`;
  try {
    if (!found) {
      await client.query(
        `CREATE ROLE ${name} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION${secret}`,
      );
    } else {
      await client.query(`ALTER ROLE ${name} LOGIN${secret}`);
    }
    await client.query(`ALTER ROLE ${name} SET timezone = 'UTC'`);
  } catch (error) {
    if ((error as { code?: string }).code !== '42501') throw error;
    throw new DatabaseRefused(
      `the role in DATABASE_URL may not ${found ? 'change' : 'create'} the role ${role}: give it CREATEROLE, or create ${APP_ROLE} and ${SYSTEM_ROLE} by hand and name them in DATABASE_APP_URL and DATABASE_SYSTEM_URL`,
      { cause: error },
    );
  }
}

interface RoleFacts {
  name: string;
  superuser: boolean;
  bypasses: boolean;
  owns: string | null;
  truncates: string | null;
  unforced: string | null;
  is_app: boolean;
  may_be_system: boolean;
  is_system: boolean;
}

/**
 * Raises DatabaseRefused, with the name of the role, when row-level security does not protect every table from the
 * role, or when the memberships of the role are not those of the expected role.
 */
export async function assertServiceRole(client: pg.Client, expected: 'app' | 'system'): Promise<void> {
  const { rows } = await client.query<RoleFacts>(ROLE_FACTS, [APP_ROLE, SYSTEM_ROLE]);
  const facts = rows[0];
  if (!facts) throw new DatabaseRefused('PostgreSQL did not return the role of the service');
  const refuse = (why: string, remedy: string): never => {
    throw new DatabaseRefused(`the database role ${facts.name} ${why}: ${remedy}`);
  };
  const another = 'use a separate role for the service that does not';
  if (facts.superuser)
    refuse(
      'is a superuser, to which row-level security does not apply',
      'use a separate role for the service that is not',
    );
  if (facts.bypasses) refuse('has BYPASSRLS', `run ALTER ROLE ${facts.name} NOBYPASSRLS, or ${another}`);
  if (facts.owns) refuse(`owns the table ${facts.owns} (itself or through a role it is a member of)`, another);
  if (facts.truncates) refuse(`may TRUNCATE the table ${facts.truncates}, which ignores row-level security`, another);
  if (facts.unforced) {
    refuse(
      `would read the table ${facts.unforced} unprotected`,
      `run ALTER TABLE ${facts.unforced} FORCE ROW LEVEL SECURITY`,
    );
  }
  if (expected === 'app') {
    if (facts.may_be_system) refuse(`is a member of ${SYSTEM_ROLE}`, `run REVOKE ${SYSTEM_ROLE} FROM ${facts.name}`);
    if (!facts.is_app) refuse(`is not a member of ${APP_ROLE}`, `run GRANT ${APP_ROLE} TO ${facts.name}`);
  } else if (!facts.is_system) {
    refuse(`is not a member of ${SYSTEM_ROLE}`, `run GRANT ${SYSTEM_ROLE} TO ${facts.name}`);
  }
}

const ROLE_FACTS = `
WITH tables AS (
  SELECT c.oid, c.relname, c.relowner, c.relrowsecurity AND c.relforcerowsecurity AS forced
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname <> '_prisma_migrations'
)
SELECT r.rolname AS name,
  r.rolsuper OR EXISTS (SELECT FROM pg_roles s WHERE s.rolsuper AND pg_has_role(current_user, s.oid, 'MEMBER')) AS superuser,
  r.rolbypassrls OR EXISTS (SELECT FROM pg_roles s WHERE s.rolbypassrls AND pg_has_role(current_user, s.oid, 'MEMBER')) AS bypasses,
  (SELECT t.relname FROM tables t WHERE pg_has_role(current_user, t.relowner, 'MEMBER') ORDER BY 1 LIMIT 1) AS owns,
  (SELECT t.relname FROM tables t WHERE has_table_privilege(current_user, t.oid, 'TRUNCATE') ORDER BY 1 LIMIT 1) AS truncates,
  (SELECT t.relname FROM tables t WHERE NOT t.forced ORDER BY 1 LIMIT 1) AS unforced,
  pg_has_role(current_user, $1, 'USAGE') AS is_app,
  pg_has_role(current_user, $2, 'MEMBER') AS may_be_system,
  pg_has_role(current_user, $2, 'USAGE') AS is_system
FROM pg_roles r WHERE r.rolname = current_user`;
