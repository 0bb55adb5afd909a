// Ends a membership: a member with the permission removes another member, or a member leaves. The user's account, other
// memberships and sessions remain. A session belongs to the user, who may use it for another organization at the same
// time. A session that acted for the organization acts for none afterwards.

import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import { publishing } from '../../base/revoking/publish.ts';
import type { Caller, OrganizationCaller } from '../../protocol/caller.ts';
import { assertHasOwner, assertOutranks, lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { findCallerStanding, findStanding, lockOrganizationFor } from '../rights/store.ts';
import { raiseMembershipEpochs } from '../users/epoch-store.ts';
import { assertLive } from '../users/live-session.ts';
import { type MemberChangeDeps, memberEvent } from './event.ts';
import { getMemberIn, type Member, noSuchMember } from './list-members.ts';
import { deleteMembership, findOwnMembership, lockMembership } from './store.ts';

/**
 * Removes a member with their roles, and ends the member's tokens for the organization. Raises not_found for a user who
 * is not a member, member_outranks_you, precondition_failed, last_owner, and the errors of lockAndAuthorize.
 */
export async function removeMember(
  deps: MemberChangeDeps,
  caller: OrganizationCaller,
  userId: string,
  assertVersion: AssertVersion<Member> = anyVersion,
): Promise<void> {
  const { organizationId } = caller;
  const commit = deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    const standing = await lockAndAuthorize(tx, caller, 'users:remove');
    const member = await findStanding(tx, organizationId, userId);
    if (!member) throw noSuchMember();
    if (userId !== caller.id) assertOutranks(standing, member);
    await assertVersion(() => getMemberIn(tx, organizationId, userId));
    const raised = await raiseMembershipEpochs(tx, [{ organizationId, userId }]);
    await lockMembership(tx, organizationId, userId); // from here on a sign-in waits, and is then refused
    await deleteMembership(tx, organizationId, userId);
    if (member.owner) await assertHasOwner(tx, organizationId);
    await record(tx, memberEvent(deps, caller, organizationId, userId, { type: 'member.removed' }));
    return { revocations: raised };
  });
  await publishing(deps, commit);
}

/**
 * Ends the caller's own membership, even when the membership or the organization is suspended. Sessions that acted for
 * the organization stay open and then act for no organization. Raises session_revoked, not_found for a caller who is
 * not a member, and last_owner.
 */
export async function leaveOrganization(deps: MemberChangeDeps, caller: Caller, organizationId: string): Promise<void> {
  const noSuchOrganization = () =>
    problem('not_found', {
      detail: 'You are not a member of an organization with this id: list your organizations first.',
    });
  // A transaction in the scope of the organization that the path names is opened only for a member.
  if (!(await findOwnMembership(deps.db.userReader(caller.id), caller.id, organizationId))) throw noSuchOrganization();
  const commit = deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    await lockOrganizationFor(tx, organizationId, caller.sessionId);
    const found = await findCallerStanding(tx, organizationId, caller);
    const { standing } = found;
    if (!standing) throw noSuchOrganization();
    assertLive(found);
    const raised = await raiseMembershipEpochs(tx, [{ organizationId, userId: caller.id }]);
    await deleteMembership(tx, organizationId, caller.id);
    if (standing.owner) await assertHasOwner(tx, organizationId);
    await record(tx, memberEvent(deps, caller, organizationId, caller.id, { type: 'member.left' }));
    return { revocations: raised };
  });
  await publishing(deps, commit);
}
