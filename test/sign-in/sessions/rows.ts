// Reads the row of a session, and moves its timestamps back as if time had passed.
import type { TestDatabase } from '../../support/database.ts';

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

/** Returns the whole row of a session. Raises if there is no such session. */
export async function sessionRow(database: TestDatabase, sessionId: string): Promise<SessionRow> {
  const [row] = await database.query<SessionRow & Record<string, unknown>>('SELECT * FROM sessions WHERE id = $1', [
    sessionId,
  ]);
  if (!row) throw new Error(`there is no session ${sessionId}`);
  return row;
}

/** Moves the times of a session's confirmation and of its last child back by `seconds`. */
export async function ageRotation(database: TestDatabase, sessionId: string, seconds = 11): Promise<void> {
  await database.query(
    `UPDATE sessions SET confirmed_at = confirmed_at - $2::float8 * interval '1 second',
       successor_at = successor_at - $2::float8 * interval '1 second' WHERE id = $1`,
    [sessionId, seconds],
  );
}
