// The roles of an organization. This file reads system roles and the organization's own roles. It creates, changes and
// deletes only the organization's own roles. In the same transaction, rights/granting.ts checks the old and the new
// content of a role.
import { isDeepStrictEqual } from 'node:util';
import type { Database, OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type EventPart, record } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing, type Revoking } from '../../base/revoking/publish.ts';
import { type OrganizationCaller, type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { payForRoleChange } from '../rights/change-budget.ts';
import { assertMayGrant, type Standing } from '../rights/granting.ts';
import { raiseMembershipEpochs, raiseRolesEpoch } from '../users/epoch-store.ts';
import { beginRaising, HOLDERS_AT_ONCE_MAX } from './raise-holders.ts';
import {
  countCustomRoles,
  countRoles,
  deleteRole,
  findRole,
  insertRole,
  isInUse,
  isNameTaken,
  listHolders,
  listRoles,
  type RoleContent,
  type RoleRow,
  updateRole,
} from './store.ts';

/** The maximum number of its own roles that an organization may have. */
const CUSTOM_ROLES_MAX = 200;

export type Role = RoleRow;

export interface RoleDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  /** The first step of every change. See rights/lock-and-authorize.ts. */
  readonly lockAndAuthorize: (tx: OrganizationTx, caller: OrganizationCaller, permission: string) => Promise<Standing>;
}

/** System roles and the organization's own roles, the highest level first. */
export async function listOwnRoles(
  deps: { readonly db: Database },
  caller: OrganizationPrincipal,
  page: Page,
): Promise<Paged<Role>> {
  const reader = deps.db.organizationReader(scopeOf(caller), { bulk: true });
  return paged(await listRoles(reader, caller.organizationId, page), page, {
    toItem: ({ total: _, ...role }) => role,
    countAll: () => countRoles(reader, caller.organizationId),
  });
}

/** One system role, or one of the organization's own roles. Raises not_found. */
export async function getRole(
  deps: { readonly db: Database },
  caller: OrganizationPrincipal,
  id: string,
): Promise<Role> {
  const role = await findRole(deps.db.organizationReader(scopeOf(caller)), caller.organizationId, id);
  if (!role) throw problem('not_found');
  return role;
}

/**
 * Creates a role of the caller's organization. The permissions must be sorted and without repeats. Raises the errors of
 * lockAndAuthorize, grant_exceeds_own, role_name_taken, role_limit.
 */
export function createRole(
  deps: RoleDeps,
  caller: OrganizationCaller,
  content: RoleContent,
  once: Once = WITHOUT_KEY,
): Promise<Role> {
  const { organizationId } = caller;
  const id = newId(deps.random, deps.clock);
  return deps.db.organization(scopeOf(caller), async (tx) => {
    await once.begin(tx);
    const standing = await deps.lockAndAuthorize(tx, caller, 'roles:write');
    assertMayGrant(standing, [content]);
    if ((await countCustomRoles(tx, organizationId)) >= CUSTOM_ROLES_MAX) throw problem('role_limit');
    if (await isNameTaken(tx, organizationId, content.name, id)) throw problem('role_name_taken');
    await insertRole(tx, organizationId, id, content);
    const { name, level, permissions } = content;
    await recordChange(deps, tx, caller, { type: 'role.created', targetId: id, data: { name, level, permissions } });
    return once.keep(tx, { id, ...content, system: false });
  });
}

interface Changed extends Revoking {
  readonly role: Role;
}

/**
 * Changes a role of the caller's organization. If the name or the permissions of the role change, the older tokens of
 * all users who have the role are revoked when this returns. If the users are many, one revocation names the role
 * instead of the users. So the change takes the same time for any number of members. While a former change of the role
 * is not finished, this change may wait for one slice of the members. If the role already has the requested state,
 * nothing is written. Fields that the change does not name stay as they are at the moment of the change. Raises the
 * errors of lockAndAuthorize, permission_denied for a system role, not_found, grant_exceeds_own, precondition_failed,
 * role_name_taken, and too_many_requests when the organization changes the rights of its members by their roles too
 * often.
 */
export async function changeRole(
  deps: RoleDeps,
  caller: OrganizationCaller,
  id: string,
  wanted: { readonly [Field in keyof RoleContent]: RoleContent[Field] | undefined },
  assertVersion: AssertVersion<Role> = anyVersion,
): Promise<Role> {
  const { organizationId } = caller;
  const commit = deps.db.organization(scopeOf(caller), async (tx): Promise<Changed> => {
    const standing = await deps.lockAndAuthorize(tx, caller, 'roles:write');
    const old = await findChangeable(tx, organizationId, id);
    assertMayGrant(standing, [old]);
    await assertVersion(() => old);
    const role = {
      ...old,
      name: wanted.name ?? old.name,
      description: wanted.description ?? old.description,
      level: wanted.level ?? old.level,
      permissions: wanted.permissions ?? old.permissions,
    };
    assertMayGrant(standing, [role]);
    if (isDeepStrictEqual(role, old)) return { role, revocations: [] };
    if (role.name !== old.name && (await isNameTaken(tx, organizationId, role.name, id))) {
      throw problem('role_name_taken');
    }
    await updateRole(tx, organizationId, id, role);
    const data = { name: role.name, level: role.level, ...differenceOf(old, role) };
    await recordChange(deps, tx, caller, { type: 'role.changed', targetId: id, data });
    // Tokens contain the names and permissions of roles. So a new name or new permissions make the tokens stale. Tokens
    // do not contain the level or the description of a role.
    const rightsStay = role.name === old.name && isDeepStrictEqual(role.permissions, old.permissions);
    return { role, revocations: rightsStay ? [] : await revokeHolders(deps, tx, organizationId, old) };
  });
  return (await publishing(deps, commit)).role;
}

/** Revokes the older tokens of the members of a role. `role` is the role as it was before its change. */
async function revokeHolders(
  deps: RoleDeps,
  tx: OrganizationTx,
  organizationId: string,
  role: Role,
): Promise<readonly Revocation[]> {
  const holders = await listHolders(tx, organizationId, role.id, HOLDERS_AT_ONCE_MAX + 1);
  const isLarge = holders.length > HOLDERS_AT_ONCE_MAX;
  if (holders.length > 0) await payForRoleChange(tx, organizationId, { isLarge });
  if (isLarge) {
    await beginRaising(deps, tx, { organizationId, ownerKey: organizationId, roleId: role.id });
    return raiseRolesEpoch(tx, organizationId, role.name);
  }
  const memberships = holders.map((userId) => ({ organizationId, userId }));
  return raiseMembershipEpochs(tx, memberships);
}

/**
 * Deletes a role of the caller's organization. Raises the errors of lockAndAuthorize, permission_denied for a system
 * role, not_found, grant_exceeds_own, precondition_failed, role_in_use.
 */
export async function removeRole(
  deps: RoleDeps,
  caller: OrganizationCaller,
  id: string,
  assertVersion: AssertVersion<Role> = anyVersion,
): Promise<void> {
  const { organizationId } = caller;
  await deps.db.organization(scopeOf(caller), async (tx) => {
    const standing = await deps.lockAndAuthorize(tx, caller, 'roles:write');
    const role = await findChangeable(tx, organizationId, id);
    assertMayGrant(standing, [role]);
    await assertVersion(() => role);
    if (await isInUse(tx, organizationId, id)) throw problem('role_in_use');
    await deleteRole(tx, organizationId, id);
    const { name, level, permissions } = role;
    await recordChange(deps, tx, caller, { type: 'role.deleted', targetId: id, data: { name, level, permissions } });
  });
}

async function findChangeable(tx: OrganizationTx, organizationId: string, id: string): Promise<Role> {
  const role = await findRole(tx, organizationId, id);
  if (!role) throw problem('not_found');
  if (role.system) {
    throw problem('permission_denied', {
      detail: 'System roles are the same for every organization and read-only: create a role of your own instead.',
    });
  }
  return role;
}

function differenceOf(old: RoleContent, role: RoleContent) {
  return {
    changed: (['name', 'description', 'level', 'permissions'] as const).filter(
      (field) => !isDeepStrictEqual(old[field], role[field]),
    ),
    permissionsAdded: role.permissions.filter((permission) => !old.permissions.includes(permission)),
    permissionsRemoved: old.permissions.filter((permission) => !role.permissions.includes(permission)),
  };
}

function recordChange(
  deps: RoleDeps,
  tx: OrganizationTx,
  caller: OrganizationCaller,
  event: EventPart<'role.created' | 'role.changed' | 'role.deleted', 'type' | 'targetId' | 'data'>,
): Promise<void> {
  return record(tx, {
    id: newId(deps.random, deps.clock),
    organizationId: caller.organizationId,
    actorId: caller.id,
    ...event,
  });
}
