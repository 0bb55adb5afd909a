// The queries of the sessions in which members act for an organization. They run in that organization's scope.
import { type OrganizationReader, type OrganizationTx, statement } from '../../base/database/db.ts';
import { type EndedSessions, endSessionsStatement, runEndSessions } from '../sessions/ending-store.ts';
import type { SessionRow } from '../sessions/store.ts';

// $1 organization, $2 member.
const LIVE = `s.organization_id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()`;

// $1 organization, $2 member, $3 limit, $4 offset.
const LIST = statement(`
SELECT s.id, s.user_agent AS "userAgent", s.ip, s.created_at AS "createdAt", s.last_seen_at AS "lastSeenAt",
  s.idle_expires_at AS "expiresAt", (count(*) OVER ())::int AS total,
  json_build_object('id', o.id, 'name', o.name, 'slug', o.slug) AS organization
FROM sessions s JOIN organizations o ON o.id = s.organization_id
WHERE ${LIVE} ORDER BY s.last_seen_at DESC, s.id DESC LIMIT $3 OFFSET $4`);

/** The live sessions in which a member acts for the organization, the most recently used first. */
export function listMemberSessionRows(
  tx: OrganizationReader,
  organizationId: string,
  userId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<SessionRow[]> {
  return tx.rows<SessionRow>(LIST, [organizationId, userId, page.limit, page.offset]);
}

const COUNT = statement(`SELECT count(*)::int AS total FROM sessions s WHERE ${LIVE}`);

export async function countMemberSessions(
  tx: OrganizationReader,
  organizationId: string,
  userId: string,
): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId, userId]);
  return row?.total ?? 0;
}

const MEMBER = statement(`SELECT 1 FROM memberships WHERE organization_id = $1 AND user_id = $2`);

/** Whether the user is a member of the organization, in any status. */
export async function isMember(tx: OrganizationReader, organizationId: string, userId: string): Promise<boolean> {
  return (await tx.rows(MEMBER, [organizationId, userId])).length > 0;
}

// $1 organization, $2 member, $3 the session to end, or null for all, $4 the user who ends the sessions, $5 reason.
const END = endSessionsStatement({
  which: 'organization_id = $1::uuid AND user_id = $2::uuid AND ($3::uuid IS NULL OR id = $3::uuid)',
  reason: '$5::text',
  actor: '$4::uuid',
});

export interface EndMemberSessions {
  readonly organizationId: string;
  readonly userId: string;
  /** The id of the session to end. Without it, all sessions end. */
  readonly sessionId?: string;
  readonly actorId: string;
  readonly reason: 'ended_by_organization';
}

/** Ends one session, or all sessions, in which a member acts for the organization. */
export function markMemberSessionsEnded(
  tx: OrganizationTx,
  { organizationId, userId, sessionId, actorId, reason }: EndMemberSessions,
): Promise<EndedSessions> {
  return runEndSessions(tx, END, [organizationId, userId, sessionId ?? null, actorId, reason]);
}
