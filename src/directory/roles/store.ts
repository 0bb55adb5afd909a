// The queries of the roles that an organization sees: system roles and its own roles. A system role belongs to no
// organization, so its owner key is the nil UUID. presets/store.ts writes system roles.
import { type OrganizationReader, type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';

export const SYSTEM_OWNER = NIL_ID;

/**
 * The advisory lock of role names. Transactions of organizations take it shared. Transactions that apply a preset take
 * it exclusively.
 */
export const ROLE_NAMES_LOCK = 7_360_233_714;

export interface RoleRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly level: number;
  readonly permissions: readonly string[];
  /** Whether the role is a system role. A system role belongs to no organization. */
  readonly system: boolean;
}

const COLUMNS = 'r.id, r.name, r.description, r.level, r.permissions, r.organization_id IS NULL AS system';
// The owner key of system roles is a constant in the SQL text, so that the planner knows both keys of the index.
const VISIBLE = `r.owner_key IN ($1::uuid, '${SYSTEM_OWNER}')`;

const OWNERSHIP = statement(`
SELECT id, owner_key AS "ownerKey" FROM roles
WHERE owner_key = '${SYSTEM_OWNER}' AND ownership ORDER BY level DESC, name LIMIT 1`);

/** The system role with ownership; the highest of them if several roles have it, and null if none has it. */
export async function findOwnershipRole(
  tx: OrganizationTx | SystemTx,
): Promise<{ readonly id: string; readonly ownerKey: string } | null> {
  const [row] = await tx.rows<{ id: string; ownerKey: string }>(OWNERSHIP, []);
  return row ?? null;
}

const LIST = statement(`
SELECT ${COLUMNS}, (count(*) OVER ())::int AS total FROM roles r WHERE ${VISIBLE}
ORDER BY r.level DESC, r.name COLLATE "C", r.id LIMIT $2::int OFFSET $3::int`);

/** System roles and the organization's own roles, the highest level first. */
export function listRoles(
  tx: OrganizationReader,
  organizationId: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<(RoleRow & { readonly total: number })[]> {
  return tx.rows(LIST, [organizationId, page.limit, page.offset]);
}

const COUNT = statement(`SELECT count(*)::int AS total FROM roles r WHERE ${VISIBLE}`);

export async function countRoles(tx: OrganizationReader, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId]);
  return row?.total ?? 0;
}

const FIND = statement(`SELECT ${COLUMNS} FROM roles r WHERE ${VISIBLE} AND r.id = $2::uuid`);

/** One system role, or one of the organization's own roles. Null for a role of another organization. */
export async function findRole(tx: OrganizationReader, organizationId: string, id: string): Promise<RoleRow | null> {
  const [row] = await tx.rows<RoleRow>(FIND, [organizationId, id]);
  return row ?? null;
}

// The function is called in the FROM clause because the driver cannot read a column of type void.
const LOCK_NAMES = statement(`SELECT 1 AS held FROM pg_advisory_xact_lock_shared(${ROLE_NAMES_LOCK})`);

const NAME_TAKEN = statement(`
SELECT EXISTS (SELECT FROM roles r WHERE ${VISIBLE} AND r.name = $2 AND r.id <> $3::uuid) AS taken`);

/**
 * Whether another system role or another role of the organization has this name. No preset can create a system role of
 * this name until the transaction ends.
 */
export async function isNameTaken(
  tx: OrganizationTx,
  organizationId: string,
  name: string,
  exceptId: string,
): Promise<boolean> {
  await tx.rows(LOCK_NAMES, []);
  const [row] = await tx.rows<{ taken: boolean }>(NAME_TAKEN, [organizationId, name, exceptId]);
  return row?.taken ?? true;
}

const COUNT_CUSTOM = statement('SELECT count(*)::int AS total FROM roles WHERE owner_key = $1::uuid');

/** The number of roles that belong to the organization. */
export async function countCustomRoles(tx: OrganizationTx, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT_CUSTOM, [organizationId]);
  return row?.total ?? 0;
}

export type RoleContent = Omit<RoleRow, 'id' | 'system'>;

// $1 role, $2 organization, $3 name, $4 description, $5 level, $6 permissions.
const INSERT = statement(`
INSERT INTO roles (id, organization_id, owner_key, name, description, level, permissions)
VALUES ($1::uuid, $2::uuid, $2::uuid, $3, $4, $5::int, $6::text[])`);

export async function insertRole(
  tx: OrganizationTx,
  organizationId: string,
  id: string,
  role: RoleContent,
): Promise<void> {
  await tx.rows(INSERT, [id, organizationId, role.name, role.description, role.level, role.permissions]);
}

// $1 role, $2 organization, $3 name, $4 description, $5 level, $6 permissions.
const UPDATE = statement(`
UPDATE roles SET name = $3, description = $4, level = $5::int, permissions = $6::text[], updated_at = clock_timestamp()
WHERE owner_key = $2::uuid AND id = $1::uuid`);

export async function updateRole(
  tx: OrganizationTx,
  organizationId: string,
  id: string,
  role: RoleContent,
): Promise<void> {
  await tx.rows(UPDATE, [id, organizationId, role.name, role.description, role.level, role.permissions]);
}

const DELETE = statement('DELETE FROM roles WHERE owner_key = $1::uuid AND id = $2::uuid');

export async function deleteRole(tx: OrganizationTx, organizationId: string, id: string): Promise<void> {
  await tx.rows(DELETE, [organizationId, id]);
}

// An expired invitation can be sent again, so its roles are in use until the invitation is revoked.
const IN_USE = statement(`
SELECT EXISTS (SELECT FROM role_assignments a WHERE a.role_owner_key = $1::uuid AND a.role_id = $2::uuid)
  OR EXISTS (SELECT FROM invitation_roles o
    JOIN invitations i ON i.organization_id = o.organization_id AND i.id = o.invitation_id AND i.status = 'pending'
    WHERE o.role_owner_key = $1::uuid AND o.role_id = $2::uuid) AS used`);

/** Whether a member has the role, or an invitation that is neither accepted nor revoked offers it. */
export async function isInUse(tx: OrganizationTx, organizationId: string, id: string): Promise<boolean> {
  const [row] = await tx.rows<{ used: boolean }>(IN_USE, [organizationId, id]);
  return row?.used ?? true;
}

const HOLDERS = statement(`
SELECT DISTINCT user_id::text AS id FROM role_assignments WHERE role_owner_key = $1::uuid AND role_id = $2::uuid
LIMIT $3::int`);

/** The ids of users who have the role of the organization, in any scope. At most `max` of them. */
export async function listHolders(
  tx: OrganizationTx,
  organizationId: string,
  id: string,
  max: number,
): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(HOLDERS, [organizationId, id, max]);
  return rows.map((row) => row.id);
}
