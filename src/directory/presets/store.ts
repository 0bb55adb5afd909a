// The queries of presets. They write system roles, and find the users and organizations that a change affects, across
// all organizations.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { ROLE_NAMES_LOCK, SYSTEM_OWNER } from '../roles/store.ts';
import type { MembershipKey } from '../users/epoch-store.ts';
import type { PresetRole } from './presets.ts';

export interface SystemRole extends PresetRole {
  readonly id: string;
}

const LIST = statement(`
SELECT id, name, description, level, ownership, permissions FROM roles WHERE owner_key = '${SYSTEM_OWNER}'
ORDER BY level DESC, name COLLATE "C"`);

/** Every system role, the highest first. */
export function listSystemRoles(tx: SystemReader): Promise<SystemRole[]> {
  return tx.rows<SystemRole>(LIST, []);
}

const PRESET_LOCK = 7_360_233_713;
// The function is called in the FROM clause because the driver cannot read a column of type void.
const LOCK_PRESETS = statement(`SELECT 1 AS held FROM pg_advisory_xact_lock(${PRESET_LOCK})`);

/**
 * Lets nobody else apply a preset until the transaction ends. System roles that are read after this call do not change
 * before then.
 */
export async function lockSystemRoles(tx: SystemTx): Promise<void> {
  await tx.rows(LOCK_PRESETS, []);
}

const LOCK_NAMES = statement(`SELECT 1 AS held FROM pg_advisory_xact_lock(${ROLE_NAMES_LOCK})`);

/**
 * Lets no organization create or rename a role until the transaction ends. Call this after the organizations are
 * locked.
 */
export async function lockRoleNames(tx: SystemTx): Promise<void> {
  await tx.rows(LOCK_NAMES, []);
}

const LOCK_ORGANIZATIONS = statement(`
SELECT count(*)::int AS locked FROM (
  SELECT o.id FROM organizations o
  WHERE o.id IN (SELECT a.organization_id FROM role_assignments a
    WHERE a.role_owner_key = '${SYSTEM_OWNER}' AND a.role_id = ANY($1::text[]::uuid[]))
  ORDER BY o.id FOR NO KEY UPDATE) AS held`);

/**
 * Takes the lock of lockOrganization (rights/store.ts) for every organization in which a member has one of the roles.
 */
export async function lockOrganizationsOf(tx: SystemTx, roleIds: readonly string[]): Promise<void> {
  await tx.rows(LOCK_ORGANIZATIONS, [roleIds]);
}

const LOCK_ROLES = statement(`
SELECT id FROM roles WHERE owner_key = '${SYSTEM_OWNER}' AND id = ANY($1::text[]::uuid[]) ORDER BY id FOR UPDATE`);

/**
 * Waits for running transactions that assign or offer one of the roles. Transactions that want to do so later must
 * wait.
 */
export async function lockRoles(tx: SystemTx, roleIds: readonly string[]): Promise<void> {
  await tx.rows(LOCK_ROLES, [roleIds]);
}

// $1 role, $2 name, $3 description, $4 level, $5 ownership, $6 permissions.
const INSERT = statement(`
INSERT INTO roles (id, owner_key, name, description, level, ownership, permissions)
VALUES ($1::uuid, '${SYSTEM_OWNER}', $2, $3, $4::int, $5::boolean, $6::text[])`);

export async function insertSystemRole(tx: SystemTx, id: string, role: PresetRole): Promise<void> {
  await tx.rows(INSERT, [id, role.name, role.description, role.level, role.ownership, role.permissions]);
}

// $1 role, $2 description, $3 level, $4 ownership, $5 permissions.
const UPDATE = statement(`
UPDATE roles SET description = $2, level = $3::int, ownership = $4::boolean, permissions = $5::text[],
  updated_at = clock_timestamp()
WHERE owner_key = '${SYSTEM_OWNER}' AND id = $1::uuid`);

export async function updateSystemRole(tx: SystemTx, id: string, role: PresetRole): Promise<void> {
  await tx.rows(UPDATE, [id, role.description, role.level, role.ownership, role.permissions]);
}

const DELETE = statement(`DELETE FROM roles WHERE owner_key = '${SYSTEM_OWNER}' AND id = ANY($1::text[]::uuid[])`);

export async function deleteSystemRoles(tx: SystemTx, ids: readonly string[]): Promise<void> {
  await tx.rows(DELETE, [ids]);
}

const CLASHES = statement(`
SELECT name, count(*)::int AS organizations FROM roles
WHERE organization_id IS NOT NULL AND name = ANY($1::text[]) GROUP BY name ORDER BY name COLLATE "C"`);

/** How many organizations have a custom role of each of these names. Names without such a role are left out. */
export function listNameClashes(
  tx: SystemReader,
  names: readonly string[],
): Promise<{ readonly name: string; readonly organizations: number }[]> {
  return tx.rows(CLASHES, [names]);
}

// Expired invitations count, because they can be sent again until they are revoked.
const USES = statement(`
SELECT * FROM (
  SELECT r.name,
    (SELECT count(DISTINCT (a.organization_id, a.user_id)) FROM role_assignments a
      WHERE a.role_owner_key = r.owner_key AND a.role_id = r.id)::int AS members,
    (SELECT count(*) FROM invitation_roles o
      JOIN invitations i ON i.organization_id = o.organization_id AND i.id = o.invitation_id AND i.status = 'pending'
      WHERE o.role_owner_key = r.owner_key AND o.role_id = r.id)::int AS invitations
  FROM roles r WHERE r.owner_key = '${SYSTEM_OWNER}' AND r.id = ANY($1::text[]::uuid[])
) AS used WHERE members + invitations > 0 ORDER BY name COLLATE "C"`);

/** How many members hold each of the roles, and how many invitations offer it. Unused roles are left out. */
export function listUses(
  tx: SystemReader,
  ids: readonly string[],
): Promise<{ readonly name: string; readonly members: number; readonly invitations: number }[]> {
  return tx.rows(USES, [ids]);
}

const activeOwners = (roles: string) => `
  FROM role_assignments a
  JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = a.user_id AND m.status = 'active'
  JOIN users u ON u.id = m.user_id AND u.status = 'active'
  WHERE a.role_owner_key = '${SYSTEM_OWNER}' AND a.role_id = ANY(${roles}::text[]::uuid[]) AND a.scope = '{}'`;

const NAMED_AT_MOST = 3;
const LEFT_WITHOUT_OWNER = statement(`
SELECT o.slug, count(*) OVER ()::int AS organizations FROM (
  SELECT a.organization_id ${activeOwners('$1')} EXCEPT SELECT a.organization_id ${activeOwners('$2')}
) AS abandoned JOIN organizations o ON o.id = abandoned.organization_id AND o.deleted_at IS NULL
ORDER BY o.slug COLLATE "C" LIMIT ${NAMED_AT_MOST}`);

/**
 * How many organizations have an owner now through the `lost` roles and will have no owner through the `remaining`
 * roles. Also returns the slugs of the first few of these organizations.
 */
export async function findLeftWithoutOwner(
  tx: SystemReader,
  lost: readonly string[],
  remaining: readonly string[],
): Promise<{ readonly organizations: number; readonly slugs: readonly string[] }> {
  const rows = await tx.rows<{ slug: string; organizations: number }>(LEFT_WITHOUT_OWNER, [lost, remaining]);
  return { organizations: rows[0]?.organizations ?? 0, slugs: rows.map(({ slug }) => slug) };
}

const COUNT_HOLDERS = statement(`
SELECT count(DISTINCT user_id)::int AS holders FROM role_assignments
WHERE role_owner_key = '${SYSTEM_OWNER}' AND role_id = ANY($1::text[]::uuid[])`);

/** How many users have one of the roles, in any organization. */
export async function countHolders(tx: SystemTx, roleIds: readonly string[]): Promise<number> {
  const [row] = await tx.rows<{ holders: number }>(COUNT_HOLDERS, [roleIds]);
  return row?.holders ?? 0;
}

const HOLDERS = statement(`
SELECT DISTINCT user_id::text AS "userId", organization_id::text AS "organizationId" FROM role_assignments
WHERE role_owner_key = '${SYSTEM_OWNER}' AND role_id = ANY($1::text[]::uuid[])`);

/** The memberships in which a user has one of the roles. Call this only if they are few. */
export function listHolders(tx: SystemTx, roleIds: readonly string[]): Promise<MembershipKey[]> {
  return tx.rows<MembershipKey>(HOLDERS, [roleIds]);
}
