// The first step of every change to the members, roles, invitations and clients of an organization. It locks the
// organization and checks in the database that the caller may make the change now. A token does not prove that, because
// its content may be minutes old.

import type { OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { permits } from '../../protocol/permission.ts';
import { countOwners, findStanding, lockOrganization, type MemberStanding } from './store.ts';

/**
 * Locks the caller's organization and returns the rights that the caller has there at this moment. Raises
 * permission_denied when these rights do not include `permission`, organization_suspended, organization_access_denied.
 */
export async function lockAndAuthorize(
  tx: OrganizationTx,
  caller: OrganizationCaller,
  permission: string,
): Promise<MemberStanding> {
  const status = await lockOrganization(tx, caller.organizationId);
  if (status === 'suspended') throw problem('organization_suspended');
  const standing = await findStanding(tx, caller.organizationId, caller.id);
  if (status === null || !standing?.active) throw problem('organization_access_denied');
  if (!permits(standing.permissions, permission)) throw problem('permission_denied');
  return standing;
}

/** Raises member_outranks_you when the member's level is above the caller's. */
export function assertOutranks(standing: MemberStanding, member: MemberStanding): void {
  if (member.rank > standing.level) throw problem('member_outranks_you');
}

/**
 * Raises last_owner when the organization has no owner after the changes of this transaction. The error undoes the
 * transaction.
 */
export async function assertHasOwner(tx: OrganizationTx, organizationId: string): Promise<void> {
  if ((await countOwners(tx, organizationId)) === 0) throw problem('last_owner');
}
