// Assigns roles to a member, within the caller's transaction. The caller has checked that the assignment is allowed.

import type { OrganizationTx, SystemTx } from '../../base/database/db.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { insertAssignments } from './assignment-store.ts';
import { orNoSuchRole, type ScopedRole } from './resolve-roles.ts';

/** Writes the assignments. Raises not_found when one of the roles was removed at the same moment. */
export async function assignRoles(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: OrganizationTx | SystemTx,
  member: { readonly organizationId: string; readonly userId: string },
  roles: readonly Pick<ScopedRole, 'id' | 'ownerKey' | 'scope'>[],
): Promise<void> {
  const { organizationId, userId } = member;
  const rows = roles.map(({ id: roleId, ownerKey: roleOwnerKey, scope }) => {
    return { id: newId(deps.random, deps.clock), organizationId, userId, roleId, roleOwnerKey, scope };
  });
  await orNoSuchRole(insertAssignments(tx, rows));
}
