// The end of sessions, whoever ends them. Its statement is built here alone: the end, its event and its revocation stand
// or fall together.
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

/** SQL over the parameters of the statement. */
export interface EndSessionsSql {
  /** Which sessions: a condition on their rows. */
  readonly which: string;
  /** A text. */
  readonly reason: string;
  /** The id of who ends them, or NULL::uuid; may use the columns of the ended row. */
  readonly actor: string;
  /** The part `revoked`, where not each session is revoked by itself. */
  readonly revoked?: string;
}

/**
 * The parts of WITH that end sessions. Their rows are locked in the order of ids, so that two of these cannot wait for
 * each other. `ended` are those that had not been ended yet; of them `live` are those that had not expired.
 */
export const endSessionsSql = ({
  which,
  reason,
  actor,
  revoked = `revoked AS (${revokingSessions('ended')})`,
}: EndSessionsSql) => `
locked AS (SELECT id FROM sessions WHERE ${which} AND revoked_at IS NULL ORDER BY id FOR UPDATE),
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

/** A statement for `runEndSessions`; `before` are parts of WITH that it builds on. */
export function endSessionsStatement(parts: EndSessionsSql, before = ''): Statement {
  return statement(`WITH ${before}${endSessionsSql(parts)} SELECT id::text, live FROM ended`);
}

export interface EndedSessions extends Revoking {
  /** How many had not expired. What is left of the others' access tokens is refused as well. */
  readonly live: number;
}

/** Runs a statement that ends sessions; gives what has ended by it and had not before. */
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

/** Lets no session of the user change until the transaction is over: what it reads and writes of them next is so. */
export async function lockSessions(tx: UserTx | SystemTx, userId: string): Promise<void> {
  await tx.rows(LOCK, [userId]);
}

// $1 user, $2 the one session to end, $3 the one to leave, $4 reason, $5 only what acts for this organization, $6 who
// ends them, if not the user. Null leaves $2, $3, $5 and $6 out.
const END = endSessionsStatement({
  which: `user_id = $1::uuid AND ($2::uuid IS NULL OR id = $2::uuid) AND ($3::uuid IS NULL OR id <> $3::uuid)
    AND ($5::uuid IS NULL OR organization_id = $5::uuid)`,
  reason: '$4::text',
  actor: 'coalesce($6::uuid, user_id)',
});

export interface EndSessions {
  readonly userId: string;
  /** One of them; or all, or all but one. */
  readonly sessionId?: string;
  readonly exceptId?: string;
  /** Only what acts for this organization. */
  readonly actingFor?: string | null;
  readonly reason: EndReason;
  /** Who did it, if not the user. */
  readonly actorId?: string;
}

/** Ends sessions of a user. */
export function markSessionsEnded(tx: UserReader | SystemReader, which: EndSessions): Promise<EndedSessions> {
  const { userId, sessionId, exceptId, reason, actingFor, actorId } = which;
  const values = [userId, sessionId ?? null, exceptId ?? null, reason, actingFor ?? null, actorId ?? null];
  return runEndSessions(tx, END, values);
}

// A statement of its own, after the session was opened: of several sign-ins at once the last one sees them all.
const END_SURPLUS = endSessionsStatement(
  { which: 'id IN (SELECT id FROM surplus)', reason: `'too_many_sessions'::text`, actor: 'user_id' },
  `surplus AS (
  SELECT id FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()
  ORDER BY last_seen_at DESC, id DESC OFFSET $2::int
),`,
);

/** Ends the least recently used live sessions past the bound. */
export function markSurplusEnded(tx: SystemReader, userId: string, sessionsMax: number): Promise<EndedSessions> {
  return runEndSessions(tx, END_SURPLUS, [userId, sessionsMax]);
}
