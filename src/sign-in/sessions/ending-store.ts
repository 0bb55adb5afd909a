// Builds the statements that end sessions. Only reuse (rotation-store.ts) and a restored backup (admin/restore) have
// their own statement. Each statement that is built here writes the end, its event and its revocation together.
import {
  type OrganizationReader,
  type Statement,
  type SystemReader,
  type SystemTx,
  statement,
  type UserReader,
  type UserTx,
} from '../../base/database/db.ts';
import type { EndReason } from '../../base/events/sessions.ts';
import type { Revoking } from '../../base/revoking/publish.ts';
import { revokingSessions } from '../../base/revoking/sql.ts';
import { NIL_ID } from '../../protocol/id.ts';

/** The parts of the statement in SQL. They may use the parameters of the statement. */
export interface EndSessionsSql {
  /** A condition on the rows of the sessions to end. */
  readonly which: string;
  /** An SQL expression of type text. */
  readonly reason: string;
  /**
   * An SQL expression: the id of the actor who ends the sessions, or NULL::uuid. It may use the columns of the
   * session's row.
   */
  readonly actor: string;
  /** The part `revoked` of the WITH clause. Without it, each session gets one revocation. */
  readonly revoked?: string;
}

/**
 * The parts of WITH that end sessions. The rows are locked in the order of their ids, so that two of these statements
 * cannot deadlock. `ended` contains the sessions that this statement ended. Its column `live` is true for a session
 * that had not expired.
 */
export const endSessionsSql = ({
  which,
  reason,
  actor,
  revoked = `revoked AS (${revokingSessions('ended')})`,
}: EndSessionsSql) => `
locked AS (SELECT id FROM sessions WHERE (${which}) AND revoked_at IS NULL ORDER BY id FOR UPDATE),
ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = ${reason}
  WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
  RETURNING id, user_id, organization_id, idle_expires_at > clock_timestamp() AS live
),
${revoked},
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.ended', ${actor}, id,
    json_build_object('reason', ${reason})::jsonb FROM ended
)`;

/** Returns a statement for `runEndSessions`. `before` contains parts of WITH that `parts` may use. */
export function endSessionsStatement(parts: EndSessionsSql, before = ''): Statement {
  return statement(`WITH ${before}${endSessionsSql(parts)} SELECT id::text, live FROM ended`);
}

export interface EndedSessions extends Revoking {
  /** How many of the ended sessions had not expired. Access tokens of the expired sessions are refused, too. */
  readonly live: number;
}

/** Runs a statement that ends sessions. Returns the revocations of the sessions that it ended. */
export async function runEndSessions(
  tx: UserReader | OrganizationReader | SystemReader,
  asked: Statement,
  values: readonly unknown[],
): Promise<EndedSessions> {
  const rows = await tx.rows<{ id: string; live: boolean }>(asked, values);
  return {
    revocations: rows.map(({ id: sid }) => ({ kind: 'session', sid })),
    live: rows.filter(({ live }) => live).length,
  };
}

const LOCK = statement(`
SELECT id FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL ORDER BY id FOR UPDATE`);

/** Locks the user's sessions until the end of the transaction, so that its next statements see them unchanged. */
export async function lockSessions(tx: UserTx | SystemTx, userId: string): Promise<void> {
  await tx.rows(LOCK, [userId]);
}

// $1 user, $2 the only session to end, $3 the only session to keep, $4 reason, $5 the organization for which the
// sessions to end act (the nil id for sessions that act for none), $6 actor, if the actor is not the user. $2, $3, $5
// and $6 may be null.
const END = endSessionsStatement({
  which: `user_id = $1::uuid AND ($2::uuid IS NULL OR id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3::uuid)
    AND ($5::uuid IS NULL OR coalesce(organization_id, '${NIL_ID}') = $5::uuid)`,
  reason: '$4::text',
  actor: 'coalesce($6::uuid, user_id)',
});

export interface EndSessions {
  readonly userId: string;
  /** With `sessionId`, that session ends. With `exceptId`, all other sessions end. Without both, all sessions end. */
  readonly sessionId?: string;
  readonly exceptId?: string;
  /** Only sessions that act for this organization end. With NIL_ID: only sessions that act for no organization. */
  readonly actingFor?: string | null;
  readonly reason: EndReason;
  /** The id of the actor, if the actor is not the user. */
  readonly actorId?: string;
}

/** Ends sessions of a user. */
export function markSessionsEnded(tx: UserReader | SystemReader, which: EndSessions): Promise<EndedSessions> {
  const { userId, sessionId, exceptId, reason, actingFor, actorId } = which;
  const values = [userId, sessionId ?? null, exceptId ?? null, reason, actingFor ?? null, actorId ?? null];
  return runEndSessions(tx, END, values);
}

// $1 session, $2 reason, $3 actor.
const END_LOST = statement(`
WITH lost AS (
  SELECT $1::uuid AS id WHERE NOT EXISTS (SELECT FROM sessions WHERE id = $1)
    AND NOT EXISTS (SELECT FROM revocations WHERE kind = 'session' AND subject = $1)
),
revoked AS (${revokingSessions('lost')}),
recorded AS (
  INSERT INTO events (id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), 'session.ended', $3::uuid, id, json_build_object('reason', $2::text)::jsonb FROM lost
)
SELECT id::text, false AS live FROM lost`);

/** Revokes the tokens of a session that the database does not have. Does nothing for any other session. */
export function markLostEnded(
  tx: SystemReader,
  { sessionId, reason, actorId }: { readonly sessionId: string; readonly reason: EndReason; readonly actorId: string },
): Promise<EndedSessions> {
  return runEndSessions(tx, END_LOST, [sessionId, reason, actorId]);
}

const MISSING = statement('SELECT NOT EXISTS (SELECT FROM sessions WHERE id = $1::uuid) AS missing');

/** Whether the database has no such session, neither live nor ended. */
export async function isSessionMissing(tx: SystemReader, sessionId: string): Promise<boolean> {
  const [row] = await tx.rows<{ missing: boolean }>(MISSING, [sessionId]);
  return row?.missing ?? true;
}

// This statement runs by itself, after the session has been opened. If several sign-ins run at the same moment, the
// last of them sees all sessions. $1 user, $2 the number of live sessions that may remain.
const END_SURPLUS = endSessionsStatement(
  { which: 'id IN (SELECT id FROM surplus)', reason: `'too_many_sessions'::text`, actor: 'user_id' },
  `surplus AS (
  SELECT id FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()
  ORDER BY last_seen_at DESC, id DESC OFFSET $2::int
),`,
);

/** Ends the least recently used live sessions, so that at most `sessionsMax` sessions remain. */
export function markSurplusEnded(tx: SystemReader, userId: string, sessionsMax: number): Promise<EndedSessions> {
  return runEndSessions(tx, END_SURPLUS, [userId, sessionsMax]);
}

// $1 user, $2 actor or null.
const END_CLOSED = endSessionsStatement({
  which: 'user_id = $1::uuid',
  reason: `'account_closed'`,
  actor: '$2::uuid',
});
// The rows stay until no reader needs them.
const ERASE = statement(`
UPDATE sessions SET user_agent = NULL, ip = NULL, user_agent_sealed = NULL, ip_sealed = NULL, child_reissued_to = NULL,
  child_reissued_lookup = NULL, browser_key = NULL, device_lookup = NULL
WHERE user_id = $1::uuid`);
const DELETE_KEYS = statement('DELETE FROM person_keys WHERE user_id = $1::uuid');

/**
 * Ends every session of a user whose account is being closed, and erases what the sessions and the events say about the
 * person. `actorId` is null for an operator and for the service itself. The caller publishes the revocations.
 */
export async function eraseSessionsOf(tx: SystemTx, userId: string, actorId: string | null): Promise<EndedSessions> {
  const ended = await runEndSessions(tx, END_CLOSED, [userId, actorId]);
  await tx.rows(ERASE, [userId]);
  await tx.rows(DELETE_KEYS, [userId]);
  return ended;
}
