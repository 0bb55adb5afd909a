// The queries that read what is stored about a person, in portions. Every portion is sorted, and begins after a row.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { openForPerson } from '../../base/secrets/person-keys.ts';
import { type Open, stored } from '../../base/secrets/personal.ts';
import { NIL_ID } from '../../protocol/id.ts';

/** Where a portion begins: after the row with this id, and for events with this instant, in microseconds since 1970. */
export interface After {
  readonly id: string;
  readonly at: string;
}

export const BEGINNING: After = { id: NIL_ID, at: '0' };

const LOCALE = statement('SELECT u.locale FROM users u WHERE u.id = $1::uuid');

/** The language of the mails to the user. Null when the service chooses it. */
export async function findLocale(tx: SystemReader, userId: string): Promise<string | null> {
  const [row] = await tx.rows<{ locale: string | null }>(LOCALE, [userId]);
  return row?.locale ?? null;
}

interface Row {
  readonly id: string;
}

const instant = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const organizationOf = (id: string) => `
(SELECT json_build_object('id', o.id, 'name', o.name, 'slug', o.slug) FROM organizations o
  WHERE o.id = ${id} AND o.deleted_at IS NULL)`;

// $1 user, $2 the organization after which the portion begins, $3 number of rows.
const MEMBERSHIPS = statement(`
SELECT m.organization_id::text AS id, ${organizationOf('m.organization_id')} AS organization, m.status,
  ${instant('m.joined_at')} AS "joinedAt",
  (SELECT coalesce(json_agg(json_build_object('name', r.name, 'scope', a.scope) ORDER BY r.level DESC, r.name, a.id), '[]')
    FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id) AS roles
FROM memberships m JOIN organizations live ON live.id = m.organization_id AND live.deleted_at IS NULL
WHERE m.user_id = $1::uuid AND m.organization_id > $2::uuid
ORDER BY m.organization_id LIMIT $3::int`);

export interface MembershipRow extends Row {
  readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
  readonly status: string;
  readonly joinedAt: string;
  readonly roles: readonly { readonly name: string; readonly scope: object }[];
}

export function listMembershipsAfter(
  tx: SystemReader,
  userId: string,
  { id }: After,
  count: number,
): Promise<MembershipRow[]> {
  return tx.rows(MEMBERSHIPS, [userId, id, count]);
}

// Before a person took the account over, somebody else had registered it and used it. What that one did is not shown to
// the person. $1 user.
const OWN_SINCE = `(SELECT coalesce(u.claimed_at, '-infinity') FROM users u WHERE u.id = $1::uuid)`;

// $1 user, $2 the session after which the portion begins, $3 number of rows.
const SESSIONS = statement(`
SELECT s.id::text, s.organization_id::text AS "organizationId", ${stored('s.user_agent')} AS "userAgent",
  ${stored('s.ip')} AS ip, s.amr, ${instant('s.created_at')} AS "createdAt", ${instant('s.last_seen_at')} AS "lastSeenAt",
  ${instant('s.idle_expires_at')} AS "expiresAt", ${instant('s.revoked_at')} AS "endedAt",
  s.revoked_reason AS "endReason"
FROM sessions s WHERE s.user_id = $1::uuid AND s.id > $2::uuid AND s.created_at >= ${OWN_SINCE}
ORDER BY s.id LIMIT $3::int`);

export interface SessionRow extends Row {
  readonly organizationId: string | null;
  readonly userAgent: string | null;
  readonly ip: string | null;
  readonly amr: readonly string[];
  readonly createdAt: string;
  readonly lastSeenAt: string;
  readonly expiresAt: string;
  readonly endedAt: string | null;
  readonly endReason: string | null;
}

export async function listSessionsAfter(
  tx: SystemReader,
  userId: string,
  { id: after }: After,
  count: number,
): Promise<SessionRow[]> {
  const rows = await tx.rows<SessionRow>(SESSIONS, [userId, after, count]);
  return tx.personal.opening((open) =>
    rows.map((row) => ({
      ...row,
      userAgent: open('sessions.user_agent', row.id, row.userAgent),
      ip: open('sessions.ip', row.id, row.ip),
    })),
  );
}

// $1 user, $2 the invitation after which the portion begins, $3 number of rows.
const invitations = (by: string, which = '') =>
  statement(`
SELECT i.id::text, ${organizationOf('i.organization_id')} AS organization, ${stored('i.email')} AS email,
  CASE WHEN i.status = 'pending' AND i.expires_at <= clock_timestamp() THEN 'expired' ELSE i.status END AS status,
  ${instant('i.created_at')} AS "createdAt",
  (SELECT coalesce(json_agg(DISTINCT r.name), '[]') FROM invitation_roles o
    JOIN roles r ON r.owner_key = o.role_owner_key AND r.id = o.role_id
    WHERE o.organization_id = i.organization_id AND o.invitation_id = i.id) AS roles
FROM invitations i WHERE i.${by} = $1::uuid AND i.id > $2::uuid ${which} ORDER BY i.id LIMIT $3::int`);
const SENT = invitations('invited_by', `AND i.created_at >= ${OWN_SINCE}`);
const ACCEPTED = invitations('accepted_by');

export interface InvitationRow extends Row {
  /** Null when the organization was deleted. */
  readonly organization: { readonly id: string; readonly name: string; readonly slug: string } | null;
  readonly email: string;
  readonly status: string;
  readonly createdAt: string;
  readonly roles: readonly string[];
}

export async function listInvitationsAfter(
  tx: SystemReader,
  which: 'sent' | 'accepted',
  userId: string,
  { id: after }: After,
  count: number,
): Promise<InvitationRow[]> {
  const rows = await tx.rows<InvitationRow>(which === 'sent' ? SENT : ACCEPTED, [userId, after, count]);
  return tx.personal.opening((open) =>
    rows.map((row) => ({ ...row, email: open('invitations.email', row.id, row.email) })),
  );
}

// $1 user, $2 microseconds and $3 id of the event after which the portion begins, $4 number of rows. `keys` has the
// keys of the sealed values, by their ids.
const EVENTS = statement(`
SELECT e.id::text, (extract(epoch FROM e.at) * 1000000)::bigint::text AS "microseconds",
  ${instant('e.at')} AS at, e.type, e.organization_id::text AS "organizationId",
  e.target_id::text AS "targetId", e.data,
  (SELECT json_object_agg(k.id, encode(k.secret_sealed, 'base64')) FROM person_keys k
    WHERE k.user_id = $1::uuid AND k.id::text IN (SELECT v.value ->> 'key' FROM jsonb_each(e.data) AS v
      WHERE jsonb_typeof(v.value) = 'object')) AS keys
FROM events e WHERE e.actor_id = $1::uuid AND e.at >= ${OWN_SINCE} AND (e.at, e.id) > (timestamptz 'epoch' + $2::text::bigint * interval '1 microsecond', $3::uuid)
ORDER BY e.at, e.id LIMIT $4::int`);

interface StoredEvent extends EventRow {
  readonly keys: Readonly<Record<string, string>> | null;
}

export interface EventRow extends Row {
  /** The microseconds since 1970. */
  readonly microseconds: string;
  readonly at: string;
  readonly type: string;
  readonly organizationId: string | null;
  readonly targetId: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The events in which the user acted, the oldest first. Sealed values are opened; null for one whose key is gone. */
export async function listEventsAfter(
  tx: SystemReader,
  userId: string,
  { at, id }: After,
  count: number,
): Promise<EventRow[]> {
  const rows = await tx.rows<StoredEvent>(EVENTS, [userId, at, id, count]);
  return tx.personal.opening((open) =>
    rows.map(({ keys, ...row }) => ({ ...row, data: opened(open, row, keys ?? {}) })),
  );
}

function opened(open: Open, { id, data }: EventRow, keys: Readonly<Record<string, string>>): EventRow['data'] {
  const entries = Object.entries(data).map(([field, value]) => {
    if (!isSealed(value)) return [field, value] as const;
    const secret = keys[value.key];
    if (secret === undefined) return [field, null] as const;
    const sealed = { key: { id: value.key, sealed: secret }, sealed: value.sealed };
    return [field, openForPerson(open, `events.${field}:${id}`, sealed)] as const;
  });
  return Object.fromEntries(entries);
}

function isSealed(value: unknown): value is { readonly key: string; readonly sealed: string } {
  return typeof value === 'object' && value !== null && 'key' in value && 'sealed' in value;
}
