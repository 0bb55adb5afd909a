// The queries with which operators end sessions, of one user and of all users. An operator is not a user, so the events
// have no actor.

import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { EndReason } from '../../base/events/sessions.ts';
import { revokingEpochs } from '../../base/revoking/sql.ts';
import {
  type EndedSessions,
  endSessionsSql,
  endSessionsStatement,
  runEndSessions,
} from '../../sign-in/sessions/ending-store.ts';

// $1 session or user, $2 reason.
const end = (which: string) => endSessionsStatement({ which, reason: '$2::text', actor: 'NULL::uuid' });

const END_ONE = end('id = $1::uuid');
const END_OF_USER = end('user_id = $1::uuid');

/** Ends one session of any user. */
export function markSessionEnded(tx: SystemReader, sessionId: string, reason: EndReason): Promise<EndedSessions> {
  return runEndSessions(tx, END_ONE, [sessionId, reason]);
}

/** Ends every session of a user. */
export function markUserSessionsEnded(
  tx: SystemReader | SystemTx,
  userId: string,
  reason: EndReason,
): Promise<EndedSessions> {
  return runEndSessions(tx, END_OF_USER, [userId, reason]);
}

// Sessions are opened by this database role. The transaction that opens a session begins before the session's
// `created_at`. Transactions of other roles need no check.
const UNDER_WAY = statement(`
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
  AND pid <> pg_backend_pid() AND xact_start <= $1::text::timestamptz) AS "underWay"`);

/** Whether a transaction that began before an instant is still running. A session that it opened is not visible yet. */
export async function isUnderWay(tx: SystemReader, since: string): Promise<boolean> {
  const [row] = await tx.rows<{ underWay: boolean }>(UNDER_WAY, [since]);
  return row?.underWay ?? false;
}

const BEGINNING = statement(`
SELECT clock_timestamp()::text AS "now", (SELECT count(*)::int FROM users) AS users`);

/** The current instant as the database writes it, and the number of users. */
export async function readBeginning(tx: SystemReader): Promise<{ readonly now: string; readonly users: number }> {
  const [row] = await tx.rows<{ now: string; users: number }>(BEGINNING, []);
  if (!row) throw new Error('the database returned no time');
  return row;
}

// With this number, one statement takes a fraction of the statement timeout, even if each user has the maximum number
// of sessions.
const USERS_AT_ONCE = 50;

// The users are locked first and then their sessions, both in the order of their ids, as in other changes of users. The
// raised epoch refuses every access token of the user, so the sessions need no revocations of their own.
const END_SLICE = statement(`
WITH slice AS (SELECT id FROM users WHERE id > $1::uuid ORDER BY id LIMIT ${USERS_AT_ONCE}),
signed_in AS (
  SELECT id FROM slice s WHERE EXISTS (
    SELECT FROM sessions e WHERE e.user_id = s.id AND e.revoked_at IS NULL AND e.created_at <= $2::text::timestamptz)
),
locked_users AS (SELECT id FROM users WHERE id IN (SELECT id FROM signed_in) ORDER BY id FOR NO KEY UPDATE),
${endSessionsSql({
  which: 'user_id IN (SELECT id FROM locked_users) AND created_at <= $2::text::timestamptz',
  reason: '$3::text',
  actor: 'NULL::uuid',
  revoked: `
raised AS (UPDATE users SET epoch = epoch + 1 WHERE id IN (SELECT user_id FROM ended) RETURNING id, epoch),
revoked AS (${revokingEpochs('user', 'raised')})`,
})}
SELECT (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS "lastUserId", (SELECT count(*)::int FROM slice) AS users,
  (SELECT count(*)::int FROM ended) AS ended, (SELECT count(*)::int FROM ended WHERE live) AS live`);

export interface EndedSlice {
  /** The user after whom the next portion begins, or null at the end. */
  readonly lastUserId: string | null;
  readonly users: number;
  /** How many sessions this portion ended, and how many of them had not expired. */
  readonly ended: number;
  readonly live: number;
}

/**
 * Ends the sessions that were opened up to an instant, for the next fifty users after `afterUserId` in the order of
 * ids.
 */
export async function markSliceEnded(
  tx: SystemReader,
  afterUserId: string,
  openedUntil: string,
  reason: EndReason,
): Promise<EndedSlice> {
  const [row] = await tx.rows<EndedSlice>(END_SLICE, [afterUserId, openedUntil, reason]);
  return row ?? { lastUserId: null, users: 0, ended: 0, live: 0 };
}
