// The beginning of every change to an organization's members, roles and invitations: the lock, and the proof that the
// caller may still do it now. A token's word is minutes old; this is judged at commit time.

import type { OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { permits } from '../../protocol/permission.ts';
import { countOwners, findStanding, lockOrganization, type MemberStanding } from './store.ts';

/**
 * Locks the caller's organization and gives what the caller holds there at this moment. Raises permission_denied when
 * that does not include `permission` (any more), organization_suspended, organization_access_denied.
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

/** Raises member_outranks_you when the member has a level above the caller's. */
export function assertOutranks(standing: MemberStanding, member: MemberStanding): void {
  if (member.rank > standing.level) throw problem('member_outranks_you');
}

/** Raises last_owner, and so undoes the transaction, when a change has left the organization without an owner. */
export async function assertHasOwner(tx: OrganizationTx, organizationId: string): Promise<void> {
  if ((await countOwners(tx, organizationId)) === 0) throw problem('last_owner');
}
