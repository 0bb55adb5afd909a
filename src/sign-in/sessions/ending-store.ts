// The statement that ends sessions. Every statement that ends them is built here, so that the end, its event and its
// revocation are always written together.
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

/** Parts of the statement as SQL, which may use its parameters. */
export interface EndSessionsSql {
  /** A condition on the rows of the sessions to end. */
  readonly which: string;
  /** An SQL expression of type text. */
  readonly reason: string;
  /** The id of the user who ends them, or NULL::uuid. May use the columns of the ended row. */
  readonly actor: string;
  /** The part `revoked`, if it is not one revocation for each session. */
  readonly revoked?: string;
}

/**
 * The parts of WITH that end sessions. The rows are locked in the order of their ids, so that two of these statements
 * cannot deadlock. `ended` contains the sessions that this statement ended. Its column `live` is true for a session that
 * had not expired.
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

/** A statement for `runEndSessions`. `before` contains parts of WITH that `parts` may use. */
export function endSessionsStatement(parts: EndSessionsSql, before = ''): Statement {
  return statement(`WITH ${before}${endSessionsSql(parts)} SELECT id::text, live FROM ended`);
}

export interface EndedSessions extends Revoking {
  /** How many of the ended sessions had not expired. Access tokens of the expired ones are refused, too. */
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

// $1 user, $2 the one session to end, $3 the one session to keep, $4 reason, $5 only sessions that act for this
// organization, $6 actor, if not the user. $2, $3, $5 and $6 may be null.
const END = endSessionsStatement({
  which: `user_id = $1::uuid AND ($2::uuid IS NULL OR id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3::uuid)
    AND ($5::uuid IS NULL OR organization_id = $5::uuid)`,
  reason: '$4::text',
  actor: 'coalesce($6::uuid, user_id)',
});

export interface EndSessions {
  readonly userId: string;
  /** With `sessionId` one session, with `exceptId` all others, without both all. */
  readonly sessionId?: string;
  readonly exceptId?: string;
  /** Only sessions that act for this organization. */
  readonly actingFor?: string | null;
  readonly reason: EndReason;
  /** The id of the actor, if not the user. */
  readonly actorId?: string;
}

/** Ends sessions of a user. */
export function markSessionsEnded(tx: UserReader | SystemReader, which: EndSessions): Promise<EndedSessions> {
  const { userId, sessionId, exceptId, reason, actingFor, actorId } = which;
  const values = [userId, sessionId ?? null, exceptId ?? null, reason, actingFor ?? null, actorId ?? null];
  return runEndSessions(tx, END, values);
}

// A separate statement after the session was opened: of several sign-ins at once, the last one sees all sessions.
const END_SURPLUS = endSessionsStatement(
  { which: 'id IN (SELECT id FROM surplus)', reason: `'too_many_sessions'::text`, actor: 'user_id' },
  `surplus AS (
  SELECT id FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()
  ORDER BY last_seen_at DESC, id DESC OFFSET $2::int
),`,
);

/** Ends the least recently used live sessions, so that at most `sessionsMax` remain. */
export function markSurplusEnded(tx: SystemReader, userId: string, sessionsMax: number): Promise<EndedSessions> {
  return runEndSessions(tx, END_SURPLUS, [userId, sessionsMax]);
}
