// The queries of role assignments, and the query that finds roles by id or name.
import { type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import type { Scope } from '../rights/scope.ts';
import { SYSTEM_OWNER } from '../roles/store.ts';

export interface RoleFound {
  readonly id: string;
  /** The organization, or the nil UUID for a system role. */
  readonly ownerKey: string;
  readonly name: string;
  readonly level: number;
  readonly permissions: readonly string[];
}

const ROLES = statement(`
SELECT id::text, owner_key::text AS "ownerKey", name, level::int, permissions FROM roles
WHERE owner_key IN ($1::uuid, '${SYSTEM_OWNER}') AND (id = ANY($2::text[]::uuid[]) OR name = ANY($3::text[]))`);

/** The system roles and the organization's own roles that have one of these ids or names. */
export function findRoles(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  { ids, names }: { readonly ids: readonly string[]; readonly names: readonly string[] },
): Promise<RoleFound[]> {
  return tx.rows<RoleFound>(ROLES, [organizationId, ids, names]);
}

export interface Assignment {
  readonly id: string;
  readonly roleId: string;
  readonly name: string;
  readonly scope: Scope;
}

const ASSIGNMENTS = statement(`
SELECT a.id::text, a.role_id::text AS "roleId", r.name, a.scope FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
WHERE a.organization_id = $1::uuid AND a.user_id = $2::uuid`);

/** The role assignments of a member, unsorted. */
export function listAssignments(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  userId: string,
): Promise<Assignment[]> {
  return tx.rows<Assignment>(ASSIGNMENTS, [organizationId, userId]);
}

export interface NewAssignment {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  readonly roleId: string;
  readonly roleOwnerKey: string;
  readonly scope: Scope;
}

export async function insertAssignments(tx: OrganizationTx | SystemTx, rows: readonly NewAssignment[]): Promise<void> {
  await tx.models.roleAssignment.createMany({ data: rows.map((row) => ({ ...row, scope: { ...row.scope } })) });
}

export async function deleteAssignments(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  ids: readonly string[],
): Promise<void> {
  await tx.models.roleAssignment.deleteMany({ where: { organizationId, id: { in: [...ids] } } });
}
