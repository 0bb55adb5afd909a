// The queries that open, switch, list and remove sessions, and that find the organizations for which a user may act.
// All instants come from the database's clock. The queries in ending-store.ts end sessions.
import { type SystemReader, statement, type UserReader } from '../../base/database/db.ts';
import { isForeignKeyViolation } from '../../base/database/sql-state.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';
import { stored } from '../../base/secrets/personal.ts';
import type { SessionOwner } from '../../directory/users/live-session.ts';
import { requestNewDeviceMailSql } from '../notices/request-store.ts';
import {
  type ChangedRow,
  type ChangedSession,
  changedSessionOf,
  SUBJECT_COLUMNS,
  type Subject,
  selectChanged,
  subject,
  subjectOf,
} from './subject-store.ts';

export interface OpenedSession extends Subject {
  /**
   * The instants of the refresh token. Null when no session was opened, because the account, the named organization or
   * the membership in it is not active.
   */
  readonly opened: { readonly at: Date; readonly idleExpiresAt: Date } | null;
}

// $1 user, $2 organization to act for (id or slug) or null, $3 session, $4 amr, $5 user agent and $6 address in clear
// (null once nothing is stored unsealed), $7 lifetime of a refresh token in seconds, $8 greatest lifetime of the
// session in seconds, $9 confirmed jti, $10 event, $11 when the checked password was set (null if none was checked),
// $12 hash of the browser's key (null without a browser), $13 sealed user agent, $14 sealed address, $15 keyed hash of
// the device, $16 the mail about a new device (null for a sign-in that requests none).
const OPEN_SESSION = statement(`
WITH ${subject(`m.status = 'active' AND o.status = 'active'`)},
-- The checked password must still be the current one. A transaction that replaces it either waits for this statement and
-- then ends the session, or has already replaced it, and then no session is opened.
proven AS MATERIALIZED (SELECT 1 FROM passwords WHERE user_id = $1 AND changed_at = $11::timestamptz FOR SHARE),
instant AS MATERIALIZED (SELECT clock_timestamp() AS now),
opened AS (
  INSERT INTO sessions (id, user_id, organization_id, amr, user_agent, ip, created_at, last_seen_at,
    idle_expires_at, expires_at, confirmed, confirmed_at, browser_key, user_agent_sealed, ip_sealed, device_lookup)
  SELECT $3, p.id, c.id, $4::text[], $5, $6, i.now, i.now,
    i.now + least($7::float8, $8::float8) * interval '1 second', i.now + $8::float8 * interval '1 second', $9, i.now, $12::bytea,
    decode($13, 'base64'), decode($14, 'base64'), decode($15, 'base64')
  FROM instant i CROSS JOIN person p LEFT JOIN chosen c ON true
  WHERE p.status = 'active' AND ($2::text IS NULL OR (c.active AND c.member_active))
    AND ($11::timestamptz IS NULL OR EXISTS (SELECT FROM proven))
  RETURNING id, user_id, organization_id, created_at, idle_expires_at
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
  SELECT $10::uuid, organization_id, 'session.opened', user_id, id, json_build_object('amr', $4::text[])::jsonb FROM opened
),
noticed AS (${requestNewDeviceMailSql({ mailId: '$16::uuid', lookup: '$15' })})
SELECT ${SUBJECT_COLUMNS},
  (SELECT created_at FROM opened) AS opened_at, (SELECT idle_expires_at FROM opened) AS idle_expires_at
FROM person p WHERE $11::timestamptz IS NULL OR EXISTS (SELECT FROM proven)`);

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  /** The id or slug of the organization to act for. With null, the first active membership decides. */
  readonly organization: string | null;
  readonly amr: readonly string[];
  readonly userAgent: string | null;
  readonly ip: string | null;
  readonly refreshTtlSeconds: number;
  readonly maxAgeSeconds: number;
  readonly confirmed: string;
  readonly eventId: string;
  /** When the checked password was set. Null if no stored password was checked. */
  readonly passwordChangedAt: Date | null;
  /** The SHA-256 of the key that a browser keeps for pages. Null for every other session. */
  readonly browserKey: Buffer | null;
  /** The text of the device and its network, of which a keyed hash is stored. */
  readonly device: string;
  /** The id of the mail about a new device. Null when the session needs no such mail. */
  readonly noticeId: string | null;
}

/** Whether a statement failed because the membership of the session was removed while the statement ran. */
export function isMembershipGone(error: unknown): boolean {
  return isForeignKeyViolation(error, 'sessions_organization_id_user_id_fkey');
}

/**
 * Opens a session if the account is active, and so are the named organization and the membership in it. Reads the data
 * of the answer. Returns null for an unknown user, and for a user whose password has changed.
 */
export async function insertSession(tx: SystemReader, session: NewSession): Promise<OpenedSession | null> {
  const { personal } = tx;
  const [row] = await tx.rows<Subject & { opened_at: Date | null; idle_expires_at: Date }>(OPEN_SESSION, [
    session.userId,
    session.organization,
    session.id,
    session.amr,
    personal.clear(session.userAgent),
    personal.clear(session.ip),
    session.refreshTtlSeconds,
    session.maxAgeSeconds,
    session.confirmed,
    session.eventId,
    session.passwordChangedAt,
    session.browserKey,
    personal.seal('sessions.user_agent', session.id, session.userAgent),
    personal.seal('sessions.ip', session.id, session.ip),
    personal.lookup('sessions.device', `${session.userId} ${session.device}`),
    session.noticeId,
  ]);
  if (!row) return null;
  const opened = row.opened_at && { at: row.opened_at, idleExpiresAt: row.idle_expires_at };
  return { ...(await subjectOf(tx, row)), opened };
}

// $1 user, $2 organization, $3 session, $4 the key of the caller's token.
const SWITCH = statement(`
WITH ${subject('false')},
switched AS (
  UPDATE sessions s SET organization_id = c.id, last_seen_at = clock_timestamp() FROM chosen c, person p
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
    AND s.expires_at > clock_timestamp() AND p.status = 'active' AND c.active AND c.member_active
    AND NOT ${isKeyRevokedSql('$4::text')}
  RETURNING s.id, s.organization_id, coalesce(s.authenticated_at, s.created_at) AS authenticated_at, s.idle_expires_at, s.amr
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id)
  SELECT gen_random_uuid(), organization_id, 'session.organization_switched', $1, id FROM switched
)${selectChanged('switched')}`);

/** Makes a live session act for another organization (id or slug) of its user. Returns null for an unknown user. */
export async function updateSessionOrganization(
  tx: SystemReader,
  { id, sessionId, keyId }: SessionOwner,
  organization: string,
): Promise<ChangedSession | null> {
  const [row] = await tx.rows<ChangedRow>(SWITCH, [id, organization, sessionId, keyId ?? null]);
  return changedSessionOf(tx, row);
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

// $1 user, $2 limit, $3 offset.
const LIST = statement(`
SELECT s.id, ${stored('s.user_agent')} AS "userAgent", ${stored('s.ip')} AS ip, s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "expiresAt", (count(*) OVER ())::int AS total,
  CASE WHEN o.id IS NULL THEN NULL ELSE json_build_object('id', o.id, 'name', o.name, 'slug', o.slug) END AS organization
FROM sessions s LEFT JOIN organizations o ON o.id = s.organization_id AND o.deleted_at IS NULL
WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
ORDER BY s.last_seen_at DESC, s.id DESC LIMIT $2 OFFSET $3`);

/** The live sessions of a user, the most recently used first. */
export async function listLiveSessions(
  tx: UserReader,
  userId: string,
  limit: number,
  offset: number,
): Promise<SessionRow[]> {
  return readDevices(tx, await tx.rows<SessionRow>(LIST, [userId, limit, offset]));
}

/** The rows with user agent and address opened. */
export function readDevices(
  { personal }: Pick<UserReader, 'personal'>,
  rows: readonly SessionRow[],
): Promise<SessionRow[]> {
  return personal.opening((open) =>
    rows.map((row) => {
      const userAgent = open('sessions.user_agent', row.id, row.userAgent);
      return { ...row, userAgent, ip: open('sessions.ip', row.id, row.ip) };
    }),
  );
}

const COUNT = statement(`
SELECT count(*)::int AS total FROM sessions
WHERE user_id = $1 AND revoked_at IS NULL AND idle_expires_at > clock_timestamp()`);

export async function countLiveSessions(tx: UserReader, userId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [userId]);
  return row?.total ?? 0;
}

/** The number of ended sessions that one statement removes. */
export const REMOVED_AT_ONCE = 1000;

const REMOVE_ENDED = statement(`
WITH instant AS MATERIALIZED (SELECT clock_timestamp() - $1::float8 * interval '1 second' AS past),
old AS (
  SELECT id FROM sessions
  WHERE idle_expires_at < (SELECT past FROM instant) OR revoked_at < (SELECT past FROM instant)
  LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED
), removed AS (DELETE FROM sessions WHERE id IN (SELECT id FROM old) RETURNING 1)
SELECT count(*)::int AS total FROM removed`);

/**
 * Removes at most REMOVED_AT_ONCE sessions that ended longer ago than the retention time. Returns the number of removed
 * sessions.
 */
export async function deleteEndedSessions(tx: SystemReader, retentionSeconds: number): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(REMOVE_ENDED, [retentionSeconds]);
  return row?.total ?? 0;
}

export interface NamedMembership {
  readonly id: string;
  readonly slug: string;
  readonly active: boolean;
  readonly memberActive: boolean;
  /** The names of the unscoped roles, the highest first, and the permissions of these roles. */
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

// $1 user, $2 references (ids or slugs).
const NAMED = statement(`
SELECT o.id, o.slug, o.status = 'active' AS active, m.status = 'active' AS "memberActive",
  ARRAY(SELECT r.name FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    WHERE a.organization_id = o.id AND a.user_id = $1 AND a.scope = '{}' ORDER BY r.level DESC, r.name) AS roles,
  ARRAY(SELECT DISTINCT p.permission FROM role_assignments a
    JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    CROSS JOIN LATERAL unnest(r.permissions) AS p (permission)
    WHERE a.organization_id = o.id AND a.user_id = $1 AND a.scope = '{}') AS permissions
FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
WHERE m.user_id = $1 AND (o.slug = ANY($2::text[]) OR o.id::text = ANY($2::text[]))
ORDER BY o.id`);

/** The user's memberships in the organizations that the references (ids or slugs) name. */
export function listNamedMemberships(
  tx: UserReader,
  userId: string,
  references: readonly string[],
): Promise<NamedMembership[]> {
  return tx.rows<NamedMembership>(NAMED, [userId, references]);
}

export interface BrowserSessionRow {
  readonly sessionId: string;
  readonly userId: string;
  readonly epoch: number;
  readonly openedAt: Date;
  /** When the user last proved who they are. */
  readonly authenticatedAt: Date;
  /** Whether the session was last seen long enough ago that `touchSession` would note its use. */
  readonly isDue: boolean;
  /** The organization for which the session acts, if it and the membership are active. */
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly membershipEpoch: number | null;
}

/** The use of a session by pages is noted at most once in this time. */
const TOUCHED_EVERY = `interval '1 minute'`;

const FIND_BROWSER = statement(`
SELECT s.id AS "sessionId", s.user_id AS "userId", u.epoch, s.created_at AS "openedAt",
  coalesce(s.authenticated_at, s.created_at) AS "authenticatedAt",
  s.last_seen_at < clock_timestamp() - ${TOUCHED_EVERY} AS "isDue",
  o.id AS "organizationId", o.slug AS "organizationSlug", m.epoch AS "membershipEpoch"
FROM sessions s JOIN users u ON u.id = s.user_id AND u.status = 'active'
LEFT JOIN (memberships m JOIN organizations o ON o.id = m.organization_id AND o.status = 'active' AND o.deleted_at IS NULL)
  ON m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.status = 'active'
WHERE s.browser_key = $1::bytea AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
  AND s.expires_at > clock_timestamp()`);

/** The live session of an active user with this hash of a browser's key; null if there is none. */
export async function findBrowserSession(tx: SystemReader, browserKey: Buffer): Promise<BrowserSessionRow | null> {
  const [row] = await tx.rows<BrowserSessionRow>(FIND_BROWSER, [browserKey]);
  return row ?? null;
}

// A refresh token that is signed again gets its expiry from the row, and must be the same as the token that was sent
// before. So a session that has just been refreshed keeps its expiry. $1 session, $2 seconds without use after which
// the session ends, $3 seconds of grace.
const TOUCH = statement(`
UPDATE sessions SET last_seen_at = clock_timestamp(),
  idle_expires_at = CASE WHEN greatest(confirmed_at, successor_at) < clock_timestamp() - $3::float8 * interval '1 second'
    THEN greatest(idle_expires_at, least(clock_timestamp() + $2::float8 * interval '1 second', expires_at))
    ELSE idle_expires_at END
WHERE id = $1::uuid AND revoked_at IS NULL AND idle_expires_at > clock_timestamp() AND expires_at > clock_timestamp()
  AND last_seen_at < clock_timestamp() - ${TOUCHED_EVERY}`);

/** Notes that pages used the session, and moves the end of its idle time. */
export async function touchSession(
  tx: SystemReader,
  sessionId: string,
  { idleSeconds, graceSeconds }: { readonly idleSeconds: number; readonly graceSeconds: number },
): Promise<void> {
  await tx.rows(TOUCH, [sessionId, idleSeconds, graceSeconds]);
}
