// Makes requests collide: a transaction locks a row, and a test waits until other transactions wait for this row.
import pg from 'pg';
import type { Test } from 'tap';
import type { TestDatabase } from './database.ts';
import { until } from './until.ts';

/** Opens a connection with a transaction, which ends with the test at the latest. */
export async function openTransaction(t: Test, database: TestDatabase): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.adminUrl });
  client.on('error', () => undefined);
  await client.connect();
  t.teardown(() => client.end());
  await client.query('BEGIN');
  return client;
}

/** Locks the row of a user. No row that references the user can be inserted until the returned transaction ends. */
export async function holdUser(t: Test, database: TestDatabase, userId: string): Promise<pg.Client> {
  const client = await openTransaction(t, database);
  await client.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [userId]);
  return client;
}

/**
 * Resolves once `count` connections to this database wait for locks. The service must have the bounds `patient`, which
 * are the default of `openService`.
 */
export async function waiters(database: TestDatabase, count: number): Promise<void> {
  await until(async () => {
    const waiting = await database.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'",
      [database.name],
    );
    return waiting.length >= count;
  });
}

/**
 * Makes calls collide: the organization's row is locked until every call waits for the lock. `beforeCommit` runs in the
 * transaction that has the lock, just before this transaction commits.
 */
export async function collide<T>(
  t: Test,
  { database, organization }: { readonly database: TestDatabase; readonly organization: { readonly id: string } },
  calls: readonly (() => Promise<T>)[],
  beforeCommit?: (ask: (text: string, values: unknown[]) => Promise<unknown>) => Promise<unknown>,
): Promise<T[]> {
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organization.id]);
  const answers = Promise.all(calls.map((call) => call()));
  await waiters(database, calls.length);
  await beforeCommit?.((text, values) => held.query(text, values));
  await held.query('COMMIT');
  await held.end();
  return answers;
}
