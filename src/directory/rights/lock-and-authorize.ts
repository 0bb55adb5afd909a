// The first step of the changes that a member makes to an organization, its members, roles, invitations and clients. It
// locks the organization and checks in the database that the caller's session is live and that the caller may make the
// change now. A token does not prove that, because its content may be minutes old.

import type { OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { permits } from '../../protocol/permission.ts';
import { assertLive } from '../users/live-session.ts';
import {
  countOwners,
  type FoundCaller,
  findCallerStanding,
  lockOrganizationFor,
  type MemberStanding,
} from './store.ts';

/**
 * Locks the caller's organization and returns the rights that the caller has there at this moment. The session of the
 * caller stays live until the transaction ends. Raises session_revoked, organization_suspended,
 * organization_access_denied, and permission_denied when these rights do not include `permission`.
 */
export async function lockAndAuthorize(
  tx: OrganizationTx,
  caller: OrganizationCaller,
  permission: string,
): Promise<MemberStanding> {
  const status = await lockOrganizationFor(tx, caller.organizationId, caller.sessionId);
  return assertAuthorized({ status, ...(await findCallerStanding(tx, caller.organizationId, caller)) }, permission);
}

/** Returns the rights of a found caller. Decides as lockAndAuthorize does, and raises the same errors. */
export function assertAuthorized(found: FoundCaller, permission: string | null): MemberStanding {
  const { standing, status } = found;
  // For a user who is not an active member, the error is about the membership and not about the session.
  if (standing?.active) assertLive(found);
  if (status === 'suspended') throw problem('organization_suspended');
  if (status === null || !standing?.active) throw problem('organization_access_denied');
  if (permission !== null && !permits(standing.permissions, permission)) throw problem('permission_denied');
  return standing;
}

/** Raises member_outranks_you when the rank of the member is above the level of the caller. */
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
