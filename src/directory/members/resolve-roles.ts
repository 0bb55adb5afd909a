// Finds the roles that a caller names by id or name, among the system roles and the roles of the organization.

import type { OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { isForeignKeyViolation } from '../../base/database/sql-state.ts';
import { problem } from '../../base/errors/problem.ts';
import { isIdShaped } from '../../protocol/id.ts';
import { type Scope, scopeKey } from '../rights/scope.ts';
import { findRoles, type RoleFound } from './assignment-store.ts';

export interface RoleChoice {
  /** The id or name of the role. */
  readonly role: string;
  readonly scope: Scope;
}

/** A role with the scope in which it is assigned or offered. */
export interface ScopedRole extends RoleFound {
  readonly scope: Scope;
}

/**
 * Returns the named roles with their current content. Each pair of role and scope is returned once. This function does
 * not check whether the caller may assign the roles. Raises not_found for a role that is neither a system role nor a
 * role of the organization.
 */
export async function resolveRoles(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  choices: readonly RoleChoice[],
): Promise<ScopedRole[]> {
  // A reference that has the shape of an id is always read as an id. So nobody can use the id of one role as the name
  // of another role.
  const references = choices.map(({ role }) => (isIdShaped(role) ? role.toLowerCase() : role));
  const found = await findRoles(tx, organizationId, {
    ids: references.filter(isIdShaped),
    names: references.filter((reference) => !isIdShaped(reference)),
  });
  const chosen = new Map<string, ScopedRole>();
  for (const [index, { scope }] of choices.entries()) {
    const reference = references[index] ?? '';
    const role = found.find(({ id, name }) => (isIdShaped(reference) ? id : name) === reference);
    if (!role) throw noSuchRole();
    chosen.set(assignmentKey(role.id, scope), { ...role, scope });
  }
  return [...chosen.values()];
}

/** A text that is equal for two pairs of role and scope exactly when the pairs are equal. */
export function assignmentKey(roleId: string, scope: Scope): string {
  return `${roleId} ${scopeKey(scope)}`;
}

// The foreign keys from assignments and invitations to roles.
const ROLE_KEYS = ['role_assignments_role_owner_key_role_id_fkey', 'invitation_roles_role_owner_key_role_id_fkey'];

/**
 * Runs the work. Raises not_found when the work fails because a role that it assigns or offers was removed while it
 * ran.
 */
export async function orNoSuchRole<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isRoleGone(error) ? noSuchRole() : error;
  }
}

/** Whether the error says that a role was removed while it was assigned or offered. */
export function isRoleGone(error: unknown): boolean {
  return ROLE_KEYS.some((key) => isForeignKeyViolation(error, key));
}

function noSuchRole() {
  return problem('not_found', {
    detail:
      'There is no such role here: list the roles first, by GET /api/v1/roles, or for system roles by tenantry roles list.',
  });
}
