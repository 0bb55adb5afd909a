// The roles that a caller names, by id or name, looked up among the system roles and those of the organization.
import { problem } from '../errors.ts';
import type { OrganizationTx, SystemTx } from '../platform/db.ts';
import { findRoles, type RoleFound } from './assignment-store.ts';
import { type Scope, scopeKey } from './scope.ts';

export interface RoleChoice {
  /** Id or name. */
  readonly role: string;
  readonly scope: Scope;
}

/** A role with the scope in which it is to be given. */
export interface ChosenRole extends RoleFound {
  readonly scope: Scope;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * The chosen roles as they are at this moment, each pair of role and scope once. Whether the caller may give them is
 * not judged here. Raises not_found for one that is neither a system role nor the organization's own.
 */
export async function chooseRoles(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  choices: readonly RoleChoice[],
): Promise<ChosenRole[]> {
  // What has the shape of an id is only ever an id: no role can pass for another by taking its id as a name.
  const references = choices.map(({ role }) => (UUID.test(role) ? role.toLowerCase() : role));
  const found = await findRoles(tx, organizationId, {
    ids: references.filter((reference) => UUID.test(reference)),
    names: references.filter((reference) => !UUID.test(reference)),
  });
  const chosen = new Map<string, ChosenRole>();
  for (const [index, { scope }] of choices.entries()) {
    const reference = references[index] ?? '';
    const role = found.find(({ id, name }) => (UUID.test(reference) ? id : name) === reference);
    if (!role) throw problem('not_found', { detail: 'There is no such role here: list the roles first.' });
    chosen.set(assignmentKey(role.id, scope), { ...role, scope });
  }
  return [...chosen.values()];
}

/** The same text for the same role in equal scopes. */
export function assignmentKey(roleId: string, scope: Scope): string {
  return `${roleId} ${scopeKey(scope)}`;
}
