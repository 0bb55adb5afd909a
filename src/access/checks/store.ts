// The query of permission checks. It reads the grants of members of one organization in one statement, so that all of
// them are true at the same moment.

import { type OrganizationReader, statement } from '../../base/database/db.ts';
import type { Scope } from '../../directory/rights/scope.ts';

type Status = 'active' | 'suspended';

export interface HeldRoleRow {
  readonly id: string;
  readonly name: string;
  readonly level: number;
  readonly permissions: readonly string[];
}

export interface MemberRow {
  readonly userId: string;
  readonly status: Status;
  readonly userStatus: 'active' | 'disabled';
  readonly epoch: number;
  readonly assignments: readonly {
    readonly id: string;
    readonly roleId: string;
    readonly scope: Scope;
  }[];
}

export interface MemberGrantsRow {
  readonly status: Status;
  readonly rolesEpoch: number;
  /** The requested users who are members, unsorted. */
  readonly members: readonly MemberRow[];
  /** Every role of these members. Each role is listed once. */
  readonly roles: readonly HeldRoleRow[];
}

const MEMBER_GRANTS = statement(`
WITH held AS (
  SELECT a.id, a.user_id, a.scope, a.role_owner_key, a.role_id FROM role_assignments a
  WHERE a.organization_id = $1 AND a.user_id = ANY($2::text[]::uuid[])
)
SELECT o.status, o.roles_epoch AS "rolesEpoch",
  (SELECT coalesce(json_agg(json_build_object('userId', m.user_id, 'status', m.status, 'userStatus', u.status,
      'epoch', u.epoch, 'assignments', (
        SELECT coalesce(json_agg(json_build_object('id', h.id, 'roleId', h.role_id, 'scope', h.scope)), '[]')
        FROM held h WHERE h.user_id = m.user_id))), '[]')
    FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.organization_id = $1 AND m.user_id = ANY($2::text[]::uuid[])) AS members,
  (SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'level', r.level,
      'permissions', r.permissions)), '[]')
    FROM roles r JOIN (SELECT DISTINCT role_owner_key, role_id FROM held) h
      ON r.owner_key = h.role_owner_key AND r.id = h.role_id) AS roles
FROM organizations o WHERE o.id = $1`);

/** The grants of the users in the organization, or null when there is no such organization. */
export async function findMemberGrants(
  tx: OrganizationReader,
  organizationId: string,
  userIds: readonly string[],
): Promise<MemberGrantsRow | null> {
  const [row] = await tx.rows<MemberGrantsRow>(MEMBER_GRANTS, [organizationId, userIds]);
  return row ?? null;
}
