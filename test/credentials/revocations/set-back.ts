// Makes a test database look as if a failover had set it back.
import type { TestDatabase } from '../../support/database.ts';
import type { Account } from '../../support/fixtures/accounts.ts';

/** Makes the database look like a promoted standby: its row names the timeline of the former primary. */
export async function promote(database: TestDatabase): Promise<void> {
  await database.query("UPDATE database_lineage SET lineage = '1/1'");
}

/** Undoes a logout, as on a standby that has not received it. */
export async function lose(database: TestDatabase, { sessionId }: Pick<Account, 'sessionId'>): Promise<void> {
  await database.query('DELETE FROM revocations WHERE subject = $1', [sessionId]);
  await database.query('UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1', [sessionId]);
}

/**
 * Returns the lineage that the processes have recorded last, and the reason of the doubt about the database. The reason
 * is null if there is no doubt.
 */
export async function rowOf(database: TestDatabase) {
  const [row] = await database.query<{ lineage: string; reason: string | null }>(
    'SELECT lineage, reason FROM database_lineage',
  );
  return row;
}

/** Loses a session as a whole, as on a standby that has received nothing since before the sign-in. */
export async function loseSession(database: TestDatabase, { sessionId }: Pick<Account, 'sessionId'>): Promise<void> {
  await database.query('DELETE FROM revocations WHERE subject = $1', [sessionId]);
  await database.query('DELETE FROM sessions WHERE id = $1', [sessionId]);
}
