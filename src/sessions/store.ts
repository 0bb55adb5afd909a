// The queries of sessions. Rotation is one statement: see ROTATE. All instants are the database's own.
import { type SystemReader, statement, type UserReader } from '../platform/db.ts';

export interface SubjectUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly emailVerified: boolean;
  readonly status: 'active' | 'disabled';
  readonly epoch: number;
}

export interface SubjectOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly active: boolean;
  readonly memberActive: boolean;
}

export interface Grant {
  readonly name: string;
  readonly permissions: readonly string[];
  readonly scoped: boolean;
}

/** Everything that a sign-in answer and its tokens say about the user, read with the change of the session. */
export interface Subject {
  readonly user: SubjectUser;
  /** The organization asked for, or else the one that the session acts for; null when the user is in no such one. */
  readonly organization: SubjectOrganization | null;
  readonly grants: readonly Grant[];
  readonly memberships: readonly {
    readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
    readonly roles: readonly string[];
  }[];
}

export interface OpenedSession extends Subject {
  /** The refresh token's instants; null when nothing was opened because the user or organization may not. */
  readonly opened: { readonly at: Date; readonly idleExpiresAt: Date } | null;
  readonly crowdedOut: readonly string[];
}

// $1 is the user. The organization named in $2 (id or slug), or null for the fallback given by each statement.
const subject = (fallback: string) => `
person AS (SELECT * FROM users WHERE id = $1),
chosen AS (
  SELECT o.id, o.name, o.slug, o.status = 'active' AS active, m.status = 'active' AS member_active
  FROM memberships m JOIN organizations o ON o.id = m.organization_id
  WHERE m.user_id = $1 AND CASE WHEN $2::text IS NULL THEN ${fallback} ELSE o.slug = $2 OR o.id::text = $2 END
  ORDER BY m.joined_at, o.id LIMIT 1
)`;

const SUBJECT_COLUMNS = `
json_build_object('id', p.id, 'email', p.email, 'name', p.name, 'emailVerified', p.email_verified_at IS NOT NULL,
  'status', p.status, 'epoch', p.epoch) AS user,
(SELECT json_build_object('id', c.id, 'name', c.name, 'slug', c.slug, 'active', c.active, 'memberActive', c.member_active)
  FROM chosen c) AS organization,
(SELECT coalesce(json_agg(json_build_object('name', r.name, 'permissions', r.permissions, 'scoped', a.scope <> '{}')
    ORDER BY r.level DESC, r.name), '[]')
  FROM chosen c JOIN role_assignments a ON a.organization_id = c.id AND a.user_id = p.id
    JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id) AS grants,
(SELECT coalesce(json_agg(json_build_object(
    'organization', json_build_object('id', o.id, 'name', o.name, 'slug', o.slug),
    'roles', (SELECT coalesce(json_agg(DISTINCT r.name), '[]') FROM role_assignments a
      JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
      WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id)) ORDER BY m.joined_at, o.id), '[]')
  FROM memberships m JOIN organizations o ON o.id = m.organization_id
  WHERE m.user_id = p.id AND m.status = 'active' AND o.status = 'active') AS memberships`;

const OPEN_SESSION = statement(`
WITH ${subject(`m.status = 'active' AND o.status = 'active'`)},
instant AS MATERIALIZED (SELECT clock_timestamp() AS now),
opened AS (
  INSERT INTO sessions (id, user_id, organization_id, amr, user_agent, ip, created_at, last_seen_at,
    idle_expires_at, expires_at, confirmed, confirmed_at)
  SELECT $3, p.id, c.id, $4::text[], $5, $6, i.now, i.now,
    i.now + least($7::float8, $8::float8) * interval '1 second', i.now + $8::float8 * interval '1 second', $9, i.now
  FROM instant i CROSS JOIN person p LEFT JOIN chosen c ON true
  WHERE p.status = 'active' AND ($2::text IS NULL OR (c.active AND c.member_active))
  RETURNING id, user_id, organization_id, created_at, idle_expires_at
),
crowded AS (
  UPDATE sessions s SET revoked_at = i.now, revoked_reason = 'too_many_sessions' FROM instant i
  WHERE s.revoked_at IS NULL AND EXISTS (SELECT FROM opened) AND s.id IN (
    SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > (SELECT now FROM instant)
    ORDER BY last_seen_at DESC, id DESC OFFSET $10::int - 1)
  RETURNING s.id, s.user_id, s.organization_id
),
dropped AS (INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM crowded),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT $11::uuid, organization_id, 'session.opened', user_id, id, json_build_object('amr', $4::text[])::jsonb FROM opened
  UNION ALL
  SELECT gen_random_uuid(), organization_id, 'session.ended', user_id, id, '{"reason":"too_many_sessions"}' FROM crowded
)
SELECT ${SUBJECT_COLUMNS},
  (SELECT created_at FROM opened) AS opened_at, (SELECT idle_expires_at FROM opened) AS idle_expires_at,
  (SELECT coalesce(json_agg(id), '[]') FROM crowded) AS crowded_out
FROM person p`);

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
  readonly sessionsMax: number;
  readonly eventId: string;
}

/** Opens a session if user and organization may, and reads what the answer says; null for an unknown user. */
export async function insertSession(tx: SystemReader, session: NewSession): Promise<OpenedSession | null> {
  const [row] = await tx.rows<Subject & { opened_at: Date | null; idle_expires_at: Date; crowded_out: string[] }>(
    OPEN_SESSION,
    [
      session.userId,
      session.organization,
      session.id,
      session.amr,
      session.userAgent,
      session.ip,
      session.refreshTtlSeconds,
      session.maxAgeSeconds,
      session.confirmed,
      session.sessionsMax,
      session.eventId,
    ],
  );
  if (!row) return null;
  const opened = row.opened_at && { at: row.opened_at, idleExpiresAt: row.idle_expires_at };
  return { ...subjectOf(row), opened, crowdedOut: row.crowded_out };
}

function subjectOf({ user, organization, grants, memberships }: Subject): Subject {
  return { user, organization, grants, memberships };
}

// Rotation: confirm on use. One UPDATE judges the presented token (jti $5, parent $6) against the row and changes it.
// The sub-select is computed anew for the newest version of the row after waiting for its lock, so racing requests are
// judged one after the other, each by one reading of the clock. A subject that may not get a token changes nothing;
// a token that two parties hold ends the session, and that is committed with its event and revocation.
const ROTATE = statement(`
WITH ${subject('o.id = (SELECT organization_id FROM sessions WHERE id = $3)')},
eligible AS (
  SELECT p.status = 'active' AND CASE
    WHEN c.id IS NOT NULL THEN c.active AND c.member_active
    ELSE $2::text IS NULL AND (SELECT organization_id FROM sessions WHERE id = $3) IS NULL END AS ok
  FROM person p LEFT JOIN chosen c ON true
),
rotated AS (
  UPDATE sessions s SET (confirmed, previous, confirmed_at, successor, successor_at, idle_expires_at, last_seen_at,
    organization_id, revoked_at, revoked_reason) = (
    SELECT
      CASE WHEN v.verdict = 'first_use' THEN $5::uuid ELSE s.confirmed END,
      CASE WHEN v.verdict = 'first_use' THEN s.confirmed ELSE s.previous END,
      CASE WHEN v.verdict = 'first_use' THEN v.now ELSE s.confirmed_at END,
      CASE WHEN v.verdict IN ('first_use', 'new_child') THEN $4::uuid ELSE s.successor END,
      CASE WHEN v.verdict IN ('first_use', 'new_child') THEN v.now ELSE s.successor_at END,
      CASE WHEN v.verdict IN ('first_use', 'new_child')
        THEN least(v.now + $8::float8 * interval '1 second', s.expires_at) ELSE s.idle_expires_at END,
      CASE WHEN v.verdict IN ('reuse', 'refused') THEN s.last_seen_at ELSE v.now END,
      CASE WHEN $9::boolean AND v.verdict NOT IN ('reuse', 'refused')
        THEN (SELECT id FROM chosen) ELSE s.organization_id END,
      CASE WHEN v.verdict = 'reuse' THEN v.now ELSE s.revoked_at END,
      CASE WHEN v.verdict = 'reuse' THEN 'reuse_detected' ELSE s.revoked_reason END
    FROM (SELECT i.now, CASE
        WHEN s.confirmed <> $5 AND s.confirmed <> $6
          AND NOT (s.previous IS NOT DISTINCT FROM $5 AND s.confirmed_at > i.now - $7::float8 * interval '1 second') THEN 'reuse'
        WHEN NOT (SELECT ok FROM eligible) THEN 'refused'
        WHEN s.confirmed = $5 AND s.successor_at > i.now - $7::float8 * interval '1 second' THEN 'same_child'
        WHEN s.confirmed = $5 THEN 'new_child'
        WHEN s.confirmed = $6 THEN 'first_use'
        ELSE 'overtaken' END AS verdict
      FROM (SELECT clock_timestamp() AS now) i) v)
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL
    AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()
  RETURNING s.id, s.user_id, s.organization_id, s.confirmed, s.successor, s.successor_at, s.idle_expires_at,
    s.created_at, s.amr, s.revoked_at
),
dropped AS (
  INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM rotated WHERE revoked_at IS NOT NULL
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), organization_id, 'session.reuse_detected', user_id, id, json_build_object('jti', $5::uuid)::jsonb
  FROM rotated WHERE revoked_at IS NOT NULL
)
SELECT ${SUBJECT_COLUMNS}, coalesce((SELECT ok FROM eligible), false) AS eligible,
  (SELECT row_to_json(k) FROM (SELECT revoked_at IS NOT NULL AS revoked, revoked_reason AS reason
    FROM sessions WHERE id = $3 AND user_id = $1) k) AS before,
  r.id IS NOT NULL AS live, r.revoked_at IS NOT NULL AS reused, r.confirmed, r.successor, r.successor_at,
  r.idle_expires_at, r.created_at, r.amr
FROM person p LEFT JOIN rotated r ON true`);

export interface Presented {
  readonly userId: string;
  readonly sessionId: string;
  readonly jti: string;
  readonly parent: string;
  /** The jti of a new child, should one be due. */
  readonly child: string;
  /** Id or slug of the organization to act for; null keeps the session's. */
  readonly organization: string | null;
  /** Whether the session acts for that organization from now on. */
  readonly remember: boolean;
  readonly graceSeconds: number;
  readonly refreshTtlSeconds: number;
}

export type Rotation =
  | { readonly verdict: 'unknown' | 'revoked' | 'expired' | 'reused' }
  | { readonly verdict: 'refused'; readonly subject: Subject }
  | {
      readonly verdict: 'rotated';
      readonly subject: Subject;
      readonly child: { jti: string; parent: string; issuedAt: Date; expiresAt: Date };
      readonly openedAt: Date;
      readonly amr: readonly string[];
    };

interface RotationRow extends Subject {
  eligible: boolean;
  before: { revoked: boolean; reason: string | null } | null;
  live: boolean;
  reused: boolean;
  confirmed: string;
  successor: string;
  successor_at: Date;
  idle_expires_at: Date;
  created_at: Date;
  amr: string[];
}

/** Judges a refresh token and moves its session's chain on, in one statement. */
export async function rotateSession(tx: SystemReader, presented: Presented): Promise<Rotation> {
  const [row] = await tx.rows<RotationRow>(ROTATE, [
    presented.userId,
    presented.organization,
    presented.sessionId,
    presented.child,
    presented.jti,
    presented.parent,
    presented.graceSeconds,
    presented.refreshTtlSeconds,
    presented.remember,
  ]);
  if (!row?.before) return { verdict: 'unknown' };
  if (row.reused) return { verdict: 'reused' };
  if (!row.live) {
    if (!row.before.revoked) return { verdict: 'expired' };
    return { verdict: row.before.reason === 'reuse_detected' ? 'reused' : 'revoked' };
  }
  if (!row.eligible) return { verdict: 'refused', subject: subjectOf(row) };
  return {
    verdict: 'rotated',
    subject: subjectOf(row),
    child: { jti: row.successor, parent: row.confirmed, issuedAt: row.successor_at, expiresAt: row.idle_expires_at },
    openedAt: row.created_at,
    amr: row.amr,
  };
}

const SWITCH = statement(`
WITH ${subject('false')},
switched AS (
  UPDATE sessions s SET organization_id = c.id, last_seen_at = clock_timestamp() FROM chosen c, person p
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
    AND p.status = 'active' AND c.active AND c.member_active
  RETURNING s.created_at, s.idle_expires_at, s.amr
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

// One statement for one session and for all but one: the end, its event and its revocation stand or fall together.
const END = statement(`
WITH ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = $4
  WHERE user_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::uuid IS NULL OR id <> $3) AND revoked_at IS NULL
  RETURNING id
),
dropped AS (INSERT INTO revocations (id, kind, subject) SELECT gen_random_uuid(), 'session', id FROM ended),
recorded AS (
  INSERT INTO events (id, type, actor_id, target_id, data)
  SELECT gen_random_uuid(), 'session.ended', $1, id, json_build_object('reason', $4::text)::jsonb FROM ended
)
SELECT id FROM ended`);

/** Ends one session of a user, or all but one; gives the ids of those that had not ended yet. */
export async function markSessionsEnded(
  tx: UserReader | SystemReader,
  which: { userId: string; sessionId?: string; exceptId?: string; reason: string },
): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(END, [
    which.userId,
    which.sessionId ?? null,
    which.exceptId ?? null,
    which.reason,
  ]);
  return rows.map((row) => row.id);
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

const REVOCATIONS = statement(`
SELECT kind, subject, epoch, state FROM revocations
WHERE at > clock_timestamp() - $1::float8 * interval '1 second' ORDER BY at`);

export interface RevocationRow {
  readonly kind: 'session' | 'user' | 'organization' | 'client';
  readonly subject: string;
  readonly epoch: number | null;
  readonly state: 'active' | 'suspended' | null;
}

/** The revocations of the last so many seconds, oldest first. */
export function listRevocations(tx: SystemReader, withinSeconds: number): Promise<RevocationRow[]> {
  return tx.rows<RevocationRow>(REVOCATIONS, [withinSeconds]);
}

const REMOVE_ENDED = statement(`
WITH old AS (
  SELECT id FROM sessions
  WHERE idle_expires_at < clock_timestamp() - $1::float8 * interval '1 second'
    OR revoked_at < clock_timestamp() - $1::float8 * interval '1 second'
  LIMIT 1000
), removed AS (DELETE FROM sessions WHERE id IN (SELECT id FROM old) RETURNING 1)
SELECT count(*)::int AS total FROM removed`);

/** Removes at most a thousand sessions that ended longer ago than the retention; gives how many. */
export async function deleteEndedSessions(tx: SystemReader, retentionSeconds: number): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(REMOVE_ENDED, [retentionSeconds]);
  return row?.total ?? 0;
}

const REMOVE_REVOCATIONS = statement(`
DELETE FROM revocations WHERE kind <> 'organization' AND at < clock_timestamp() - $1::float8 * interval '1 second'`);

/** Removes revocations that no unexpired access token can meet any more. */
export async function deleteRevocations(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(REMOVE_REVOCATIONS, [olderThanSeconds]);
}
