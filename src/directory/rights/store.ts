// The queries that a change of members, roles or invitations begins with: the lock that puts such changes of one
// organization in a row, and what somebody holds at that moment.
import { type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import type { Standing } from './granting.ts';

const LOCK = statement(`SELECT status FROM organizations WHERE id = $1::uuid FOR NO KEY UPDATE`);

/**
 * Makes every other change of the organization's members, roles and invitations wait for the end of the transaction;
 * what is read after it is the truth until then. Gives the organization's status, null when there is none.
 */
export async function lockOrganization(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
): Promise<'active' | 'suspended' | null> {
  const [row] = await tx.rows<{ status: 'active' | 'suspended' }>(LOCK, [organizationId]);
  return row?.status ?? null;
}

export interface MemberStanding extends Standing {
  /** The member themselves and their account: both must be active for any of it to count. */
  readonly active: boolean;
  readonly status: 'active' | 'suspended';
  /** The highest level of all of their roles, scoped ones included: what they outrank others by. */
  readonly rank: number;
  /** Whether they hold an owner's role everywhere in the organization. */
  readonly owner: boolean;
}

const STANDING = statement(`
SELECT m.status, m.status = 'active' AND u.status = 'active' AS active,
  coalesce(max(r.level) FILTER (WHERE a.scope = '{}'), -1)::int AS level,
  coalesce(max(r.level), -1)::int AS rank,
  coalesce(bool_or(r.ownership AND a.scope = '{}'), false) AS owner,
  ARRAY(SELECT DISTINCT p.permission FROM role_assignments s
    JOIN roles sr ON sr.owner_key = s.role_owner_key AND sr.id = s.role_id
    CROSS JOIN LATERAL unnest(sr.permissions) AS p (permission)
    WHERE s.organization_id = $1::uuid AND s.user_id = $2::uuid AND s.scope = '{}') AS permissions
FROM memberships m JOIN users u ON u.id = m.user_id
LEFT JOIN role_assignments a ON a.organization_id = m.organization_id AND a.user_id = m.user_id
LEFT JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid
GROUP BY m.status, u.status`);

/** What a member holds, as the transaction sees it; null for somebody who is no member. */
export async function findStanding(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  userId: string,
): Promise<MemberStanding | null> {
  const [row] = await tx.rows<MemberStanding>(STANDING, [organizationId, userId]);
  return row ?? null;
}

const OWNERS = statement(`
SELECT count(DISTINCT a.user_id)::int AS owners FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = a.user_id AND m.status = 'active'
JOIN users u ON u.id = m.user_id AND u.status = 'active'
WHERE a.organization_id = $1::uuid AND a.scope = '{}'`);

/** How many active owners there are: asked after a change, under the lock, to undo the one that leaves none. */
export async function countOwners(tx: OrganizationTx | SystemTx, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ owners: number }>(OWNERS, [organizationId]);
  return row?.owners ?? 0;
}

// Not the user's row: other changes of the user need not wait.
const LOCK_OWNER = statement(
  "SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended('founder ' || $1, 20261121))) AS l",
);
const OWNED = statement(`
SELECT count(DISTINCT a.organization_id)::int AS owned FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
WHERE a.user_id = $1::uuid AND a.scope = '{}'`);

/** How many organizations a user owns; every other founding by them waits for the end of the transaction. */
export async function lockAndCountOwned(tx: SystemTx, userId: string): Promise<number> {
  await tx.rows(LOCK_OWNER, [userId]);
  const [row] = await tx.rows<{ owned: number }>(OWNED, [userId]);
  return row?.owned ?? 0;
}
