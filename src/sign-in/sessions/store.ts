// The queries of sessions: open, switch, end, list, remove. All instants are the database's own.
import { type SystemReader, type SystemTx, statement, type UserReader, type UserTx } from '../../base/database/db.ts';
import { isForeignKeyViolation } from '../../base/database/sql-state.ts';
import { SUBJECT_COLUMNS, type Subject, subject, subjectOf } from './subject-store.ts';

export interface OpenedSession extends Subject {
  /** The refresh token's instants; null when nothing was opened because the user or organization may not. */
  readonly opened: { readonly at: Date; readonly idleExpiresAt: Date } | null;
}

const OPEN_SESSION = statement(`
WITH ${subject(`m.status = 'active' AND o.status = 'active'`)},
-- A password that was checked must still be the one: whoever replaces it waits for this, and ends the session, or has
-- replaced it, and nothing is opened.
proven AS MATERIALIZED (SELECT 1 FROM passwords WHERE user_id = $1 AND changed_at = $11::timestamptz FOR SHARE),
instant AS MATERIALIZED (SELECT clock_timestamp() AS now),
opened AS (
  INSERT INTO sessions (id, user_id, organization_id, amr, user_agent, ip, created_at, last_seen_at,
    idle_expires_at, expires_at, confirmed, confirmed_at)
  SELECT $3, p.id, c.id, $4::text[], $5, $6, i.now, i.now,
    i.now + least($7::float8, $8::float8) * interval '1 second', i.now + $8::float8 * interval '1 second', $9, i.now
  FROM instant i CROSS JOIN person p LEFT JOIN chosen c ON true
  WHERE p.status = 'active' AND ($2::text IS NULL OR (c.active AND c.member_active))
    AND ($11::timestamptz IS NULL OR EXISTS (SELECT FROM proven))
  RETURNING id, user_id, organization_id, created_at, idle_expires_at
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT $10::uuid, organization_id, 'session.opened', user_id, id, json_build_object('amr', $4::text[])::jsonb FROM opened
)
SELECT ${SUBJECT_COLUMNS},
  (SELECT created_at FROM opened) AS opened_at, (SELECT idle_expires_at FROM opened) AS idle_expires_at
FROM person p WHERE $11::timestamptz IS NULL OR EXISTS (SELECT FROM proven)`);

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  /** Id or slug of the organization to act for; null lets the first active membership decide. */
  readonly organization: string | null;
  readonly amr: readonly string[];
  readonly userAgent: string | null;
  readonly ip: string | null;
  readonly refreshTtlSeconds: number;
  readonly maxAgeSeconds: number;
  readonly confirmed: string;
  readonly eventId: string;
  /** When the password that was checked had been set; null where none was. */
  readonly passwordOf: Date | null;
}

/** Whether a statement failed because the membership that a session was to act by went away while it ran. */
export function isMembershipGone(error: unknown): boolean {
  return isForeignKeyViolation(error, 'sessions_organization_id_user_id_fkey');
}

/** Opens a session if user and organization may, and reads what the answer says; null for an unknown user or password. */
export async function insertSession(tx: SystemReader, session: NewSession): Promise<OpenedSession | null> {
  const [row] = await tx.rows<Subject & { opened_at: Date | null; idle_expires_at: Date }>(OPEN_SESSION, [
    session.userId,
    session.organization,
    session.id,
    session.amr,
    session.userAgent,
    session.ip,
    session.refreshTtlSeconds,
    session.maxAgeSeconds,
    session.confirmed,
    session.eventId,
    session.passwordOf,
  ]);
  if (!row) return null;
  const opened = row.opened_at && { at: row.opened_at, idleExpiresAt: row.idle_expires_at };
  return { ...subjectOf(row), opened };
}

// A statement of its own, after the session was opened: of several sign-ins at once the last one sees them all. Rows are
// locked in one order, so that two of these cannot wait for each other.
const END_SURPLUS = statement(`
WITH surplus AS (
  SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()
  ORDER BY last_seen_at DESC, id DESC OFFSET $2::int
),
locked AS (SELECT id FROM sessions WHERE id IN (SELECT id FROM surplus) ORDER BY id FOR UPDATE),
ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = 'too_many_sessions'
  WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
  RETURNING id, user_id, organization_id
),
dropped AS (INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ended),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.ended', user_id, id, '{"reason":"too_many_sessions"}' FROM ended
)
SELECT id FROM ended`);

/** Ends the least recently used live sessions past the bound; gives their ids. */
export async function markSurplusEnded(tx: SystemReader, userId: string, sessionsMax: number): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(END_SURPLUS, [userId, sessionsMax]);
  return rows.map((row) => row.id);
}

const SWITCH = statement(`
WITH ${subject('false')},
switched AS (
  UPDATE sessions s SET organization_id = c.id, last_seen_at = clock_timestamp() FROM chosen c, person p
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
    AND p.status = 'active' AND c.active AND c.member_active
  RETURNING s.id, s.organization_id, s.created_at, s.idle_expires_at, s.amr
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id)
  SELECT gen_random_uuid(), organization_id, 'session.organization_switched', $1, id FROM switched
)
SELECT ${SUBJECT_COLUMNS}, s.created_at, s.idle_expires_at, s.amr,
  EXISTS (SELECT FROM sessions WHERE id = $3 AND user_id = $1 AND revoked_at IS NULL
    AND idle_expires_at > clock_timestamp()) AS live
FROM person p LEFT JOIN switched s ON true`);

export interface Switched {
  readonly subject: Subject;
  readonly live: boolean;
  readonly session: { readonly openedAt: Date; readonly idleExpiresAt: Date; readonly amr: readonly string[] } | null;
}

/** Lets a live session act for another of its user's organizations (id or slug); null for an unknown user. */
export async function updateSessionOrganization(
  tx: SystemReader,
  userId: string,
  sessionId: string,
  organization: string,
): Promise<Switched | null> {
  const [row] = await tx.rows<
    Subject & { live: boolean; created_at: Date | null; idle_expires_at: Date; amr: string[] }
  >(SWITCH, [userId, organization, sessionId]);
  if (!row) return null;
  const session = row.created_at && { openedAt: row.created_at, idleExpiresAt: row.idle_expires_at, amr: row.amr };
  return { subject: subjectOf(row), live: row.live, session };
}

const LOCK = statement(`
SELECT id FROM sessions WHERE user_id = $1::uuid AND revoked_at IS NULL ORDER BY id FOR UPDATE`);

/** Lets no session of the user change until the transaction is over: what it reads and writes of them next is so. */
export async function lockSessions(tx: UserTx | SystemTx, userId: string): Promise<void> {
  await tx.rows(LOCK, [userId]);
}

// One statement for one session and for all but one: the end, its event and its revocation stand or fall together.
const END = statement(`
WITH locked AS (
  SELECT id FROM sessions
  WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3) AND revoked_at IS NULL
    AND ($5::uuid IS NULL OR organization_id = $5)
  ORDER BY id FOR UPDATE
),
ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = $4
  WHERE id IN (SELECT id FROM locked) AND revoked_at IS NULL
  RETURNING id, organization_id, idle_expires_at > clock_timestamp() AS live
),
dropped AS (INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ended),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.ended', coalesce($6::uuid, $1), id,
    json_build_object('reason', $4::text)::jsonb FROM ended
)
SELECT id, live FROM ended`);

export interface EndedSession {
  readonly id: string;
  /** False for one that had expired: what is left of its access tokens is refused as well. */
  readonly live: boolean;
}

export interface EndSessions {
  readonly userId: string;
  /** One of them; or all, or all but one. */
  readonly sessionId?: string;
  readonly exceptId?: string;
  /** Only what acts for this organization. */
  readonly actingFor?: string | null;
  readonly reason: string;
  /** Who did it, if not the user. */
  readonly actorId?: string;
}

/** Ends sessions of a user; gives those that had not been ended yet. */
export async function markSessionsEnded(tx: UserReader | SystemReader, which: EndSessions): Promise<EndedSession[]> {
  const { userId, sessionId, exceptId, reason, actingFor, actorId } = which;
  const values = [userId, sessionId ?? null, exceptId ?? null, reason, actingFor ?? null, actorId ?? null];
  return tx.rows<EndedSession>(END, values);
}

export interface SessionRow {
  readonly id: string;
  readonly organization: { id: string; name: string; slug: string } | null;
  readonly userAgent: string | null;
  readonly ip: string | null;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
  readonly expiresAt: Date;
  readonly total: number;
}

const LIST = statement(`
SELECT s.id, s.user_agent AS "userAgent", s.ip, s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "expiresAt", (count(*) OVER ())::int AS total,
  CASE WHEN o.id IS NULL THEN NULL ELSE json_build_object('id', o.id, 'name', o.name, 'slug', o.slug) END AS organization
FROM sessions s LEFT JOIN organizations o ON o.id = s.organization_id
WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
ORDER BY s.last_seen_at DESC, s.id DESC LIMIT $2 OFFSET $3`);

/** The live sessions of a user, newest use first. */
export function listLiveSessions(tx: UserReader, userId: string, limit: number, offset: number): Promise<SessionRow[]> {
  return tx.rows<SessionRow>(LIST, [userId, limit, offset]);
}

const COUNT = statement(`
SELECT count(*)::int AS total FROM sessions
WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()`);

export async function countLiveSessions(tx: UserReader, userId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [userId]);
  return row?.total ?? 0;
}

/** How many ended sessions one statement removes. */
export const REMOVED_AT_ONCE = 1000;

const REMOVE_ENDED = statement(`
WITH instant AS MATERIALIZED (SELECT clock_timestamp() - $1::float8 * interval '1 second' AS past),
old AS (
  SELECT id FROM sessions
  WHERE idle_expires_at < (SELECT past FROM instant) OR revoked_at < (SELECT past FROM instant)
  LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED
), removed AS (DELETE FROM sessions WHERE id IN (SELECT id FROM old) RETURNING 1)
SELECT count(*)::int AS total FROM removed`);

/** Removes at most REMOVED_AT_ONCE sessions that ended longer ago than the retention; gives how many. */
export async function deleteEndedSessions(tx: SystemReader, retentionSeconds: number): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(REMOVE_ENDED, [retentionSeconds]);
  return row?.total ?? 0;
}
