// Brings sessions, users and memberships into the states that time, administrators or features bring about, by SQL.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Test } from 'tap';
import type { TestDatabase } from './database.ts';
import { until } from './until.ts';

export interface SessionRow {
  readonly confirmed: string;
  readonly previous: string | null;
  readonly successor: string | null;
  readonly organization_id: string | null;
  readonly revoked_reason: string | null;
  readonly idle_expires_at: Date;
  readonly expires_at: Date;
  readonly last_seen_at: Date;
}

/** The whole row of a session. Raises when there is none. */
export async function sessionRow(database: TestDatabase, sessionId: string): Promise<SessionRow> {
  const [row] = await database.query<SessionRow & Record<string, unknown>>('SELECT * FROM sessions WHERE id = $1', [
    sessionId,
  ]);
  if (!row) throw new Error(`there is no session ${sessionId}`);
  return row;
}

/** Lets so many seconds pass for the chain of a session: its instants of confirmation and of the last child move back. */
export async function agePlaces(database: TestDatabase, sessionId: string, seconds = 11): Promise<void> {
  await database.query(
    `UPDATE sessions SET confirmed_at = confirmed_at - $2::float8 * interval '1 second',
       successor_at = successor_at - $2::float8 * interval '1 second' WHERE id = $1`,
    [sessionId, seconds],
  );
}

/** A further organization with the user as a member of it, who holds the system role of that name. */
export async function joinOrganization(
  database: TestDatabase,
  userId: string,
  options: { readonly slug: string; readonly role?: string },
): Promise<string> {
  const id = randomUUID();
  await database.query('INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)', [id, options.slug]);
  await joinMember(database, userId, id, options.role ?? 'agent');
  return id;
}

/** A membership in an organization, with one system role. */
export async function joinMember(
  database: TestDatabase,
  userId: string,
  organizationId: string,
  role: string,
): Promise<void> {
  await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [organizationId, userId]);
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, $2, id, owner_key FROM roles WHERE organization_id IS NULL AND name = $3`,
    [organizationId, userId, role],
  );
}

/** The types of the events about a target, the oldest first. */
export async function eventsAbout(database: TestDatabase, targetId: string): Promise<string[]> {
  const rows = await database.query<{ type: string }>('SELECT type FROM events WHERE target_id = $1 ORDER BY at', [
    targetId,
  ]);
  return rows.map(({ type }) => type);
}

/** How many rows a table holds. */
export async function countRows(database: TestDatabase, table: string): Promise<number> {
  const [row] = await database.query<{ total: number }>(`SELECT count(*)::int AS total FROM ${table}`);
  return row?.total ?? 0;
}

/** A connection of its own, in a transaction that ends with the test at the latest. */
export async function openTransaction(t: Test, database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  client.on('error', () => undefined);
  await client.connect();
  t.teardown(() => client.end());
  await client.query('BEGIN');
  return client;
}

/** Holds the row of a user, so that nobody who refers to it can commit, until the given transaction ends. */
export async function holdUser(t: Test, database: TestDatabase, userId: string): Promise<pg.Client> {
  const client = await openTransaction(t, database);
  await client.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [userId]);
  return client;
}

/** Resolves once so many connections to this database wait for locks of others; a service is `patient` meanwhile. */
export async function waiters(database: TestDatabase, count: number): Promise<void> {
  await until(async () => {
    const waiting = await database.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'",
      [database.name],
    );
    return waiting.length >= count;
  });
}
