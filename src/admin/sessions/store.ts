// The queries by which operators end sessions, of one user and of all. What they end was done by nobody: its events have
// no actor.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { EndedSession } from '../../sign-in/sessions/store.ts';

// The end, its event and its revocation stand or fall together. Rows are locked in the order of their ids, as whoever
// ends sessions does. $2 is the reason.
const end = (which: string) =>
  statement(`
WITH locked AS (SELECT id FROM sessions WHERE ${which} AND revoked_at IS NULL ORDER BY id FOR UPDATE),
ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = $2::text
  WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
  RETURNING id, organization_id, idle_expires_at > clock_timestamp() AS live
),
dropped AS (INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ended),
recorded AS (
  INSERT INTO events (id, organization_id, type, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.ended', id, json_build_object('reason', $2::text)::jsonb FROM ended
)
SELECT id::text, live FROM ended`);

const END_ONE = end('id = $1::uuid');
const END_OF_USER = end('user_id = $1::uuid');

/** Ends one session; gives it unless it had been ended before. */
export function markSessionEnded(tx: SystemReader, sessionId: string, reason: string): Promise<EndedSession[]> {
  return tx.rows<EndedSession>(END_ONE, [sessionId, reason]);
}

/** Ends every session of a user; gives those that had not been ended yet. */
export function markUserSessionsEnded(
  tx: SystemReader | SystemTx,
  userId: string,
  reason: string,
): Promise<EndedSession[]> {
  return tx.rows<EndedSession>(END_OF_USER, [userId, reason]);
}

// Sessions are opened by this role, in transactions that began before their sessions. Those of other roles are not seen.
const UNDER_WAY = statement(`
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
  AND pid <> pg_backend_pid() AND xact_start <= $1::text::timestamptz) AS "underWay"`);

/** Whether a transaction that began before an instant is not over yet: what it opened is not to be seen. */
export async function isUnderWay(tx: SystemReader, since: string): Promise<boolean> {
  const [row] = await tx.rows<{ underWay: boolean }>(UNDER_WAY, [since]);
  return row?.underWay ?? false;
}

const BEGINNING = statement(`
SELECT clock_timestamp()::text AS "now", (SELECT count(*)::int FROM users) AS users`);

/** The database's present instant, as it writes it, and how many users there are. */
export async function readBeginning(tx: SystemReader): Promise<{ readonly now: string; readonly users: number }> {
  const [row] = await tx.rows<{ now: string; users: number }>(BEGINNING, []);
  if (!row) throw new Error('the database told no time');
  return row;
}

// With as many sessions as each of them may have, a step still takes a fraction of the time that a statement is given.
const USERS_AT_ONCE = 50;

// Users before sessions, each in the order of ids: as whoever changes a user does. The raised epoch refuses every access
// token of the user, so the sessions need no revocation of their own.
const END_SLICE = statement(`
WITH slice AS (SELECT id FROM users WHERE id > $1::uuid ORDER BY id LIMIT ${USERS_AT_ONCE}),
signed_in AS (
  SELECT id FROM slice s WHERE EXISTS (
    SELECT FROM sessions e WHERE e.user_id = s.id AND e.revoked_at IS NULL AND e.created_at <= $2::text::timestamptz)
),
held AS (SELECT id FROM users WHERE id IN (SELECT id FROM signed_in) ORDER BY id FOR NO KEY UPDATE),
locked AS (
  SELECT id FROM sessions
  WHERE user_id IN (SELECT id FROM held) AND revoked_at IS NULL AND created_at <= $2::text::timestamptz
  ORDER BY id FOR UPDATE
),
ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = $3::text
  WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
  RETURNING id, user_id, organization_id, idle_expires_at > clock_timestamp() AS live
),
raised AS (
  UPDATE users SET epoch = epoch + 1 WHERE id IN (SELECT user_id FROM ended) RETURNING id, epoch
),
dropped AS (
  INSERT INTO revocations (id, kind, subject, epoch) SELECT gen_random_uuid(), 'user', id, epoch FROM raised
),
recorded AS (
  INSERT INTO events (id, organization_id, type, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.ended', id, json_build_object('reason', $3::text)::jsonb FROM ended
)
SELECT (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS "lastUserId", (SELECT count(*)::int FROM slice) AS users,
  (SELECT count(*)::int FROM ended) AS ended, (SELECT count(*)::int FROM ended WHERE live) AS live`);

export interface EndedSlice {
  /** Where the next slice begins; null at the end. */
  readonly lastUserId: string | null;
  readonly users: number;
  /** Sessions that had not been ended, and how many of them had not expired. */
  readonly ended: number;
  readonly live: number;
}

/** Ends the sessions, opened until an instant, of the fifty users that follow one in the order of ids. */
export async function markSliceEnded(
  tx: SystemReader,
  afterUserId: string,
  openedUntil: string,
  reason: string,
): Promise<EndedSlice> {
  const [row] = await tx.rows<EndedSlice>(END_SLICE, [afterUserId, openedUntil, reason]);
  return row ?? { lastUserId: null, users: 0, ended: 0, live: 0 };
}
