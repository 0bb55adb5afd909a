// Changes the roles and the status of a member. The caller's rights are checked in the same transaction:
// rights/lock-and-authorize.ts and rights/granting.ts decide.

import type { OrganizationTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import { publishing } from '../../base/revoking/publish.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { payForMemberChange } from '../rights/change-budget.ts';
import { assertMayGrant, type Standing } from '../rights/granting.ts';
import { assertHasOwner, assertOutranks, lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { findStanding } from '../rights/store.ts';
import { raiseMembershipEpochs } from '../users/epoch-store.ts';
import { assignRoles } from './assign-roles.ts';
import { deleteAssignments, findRoles, listAssignments } from './assignment-store.ts';
import { type MemberChangeDeps, type MemberEvent, memberEvent } from './event.ts';
import { getMemberIn, type Member, noSuchMember } from './list-members.ts';
import { assignmentKey, type RoleChoice, resolveRoles } from './resolve-roles.ts';
import { updateMemberStatus } from './store.ts';

export interface ChangeMember {
  readonly userId: string;
  /** All roles that the member has after the change. Other assignments are removed. */
  readonly roles: readonly RoleChoice[] | undefined;
  readonly status: 'active' | 'suspended' | undefined;
}

/**
 * Returns the member after the change. If the member already has the requested state, nothing is written. Raises
 * not_found for a user who is not a member and for an unknown role, member_outranks_you, precondition_failed,
 * grant_exceeds_own for an added role, last_owner, the errors of lockAndAuthorize, and too_many_requests when the
 * member's roles are changed, or the member is activated, too often.
 */
export async function changeMember(
  deps: MemberChangeDeps,
  caller: OrganizationCaller,
  input: ChangeMember,
  assertVersion: AssertVersion<Member> = anyVersion,
) {
  const { organizationId } = caller;
  const commit = deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    const standing = await lockAndAuthorize(tx, caller, 'users:update');
    const before = await findStanding(tx, organizationId, input.userId);
    if (!before) throw noSuchMember();
    if (input.userId !== caller.id) assertOutranks(standing, before);
    await assertVersion(() => getMemberIn(tx, organizationId, input.userId));
    const events: MemberEvent[] = [];
    const change = input.roles && (await replaceRoles(deps, tx, caller, standing, input.userId, input.roles));
    if (change) events.push({ type: 'member.roles_changed', data: change });
    const status = input.status === before.status ? undefined : input.status;
    if (status) events.push({ type: status === 'active' ? 'member.activated' : 'member.suspended' });
    if (events.length === 0) return { member: await getMemberIn(tx, organizationId, input.userId), revocations: [] };
    const revocations = await raiseMembershipEpochs(tx, [{ organizationId, userId: input.userId }]);
    if (status) await updateMemberStatus(tx, organizationId, input.userId, status);
    if (change || status === 'active') await payForMemberChange(tx, organizationId, input.userId);
    const member = await getMemberIn(tx, organizationId, input.userId);
    if (before.owner) await assertHasOwner(tx, organizationId);
    for (const event of events) await record(tx, memberEvent(deps, caller, organizationId, input.userId, event));
    return { member, revocations };
  });
  return (await publishing(deps, commit)).member;
}

/**
 * Replaces the member's roles with the given roles. Returns the names of added and removed roles, or null if nothing
 * changed.
 */
async function replaceRoles(
  deps: MemberChangeDeps,
  tx: OrganizationTx,
  { organizationId, id: callerId }: OrganizationCaller,
  standing: Standing,
  userId: string,
  choices: readonly RoleChoice[],
) {
  const chosen = await resolveRoles(tx, organizationId, choices);
  const held = await listAssignments(tx, organizationId, userId);
  const heldKeys = new Set(held.map(({ roleId, scope }) => assignmentKey(roleId, scope)));
  const chosenKeys = new Set(chosen.map(({ id, scope }) => assignmentKey(id, scope)));
  const added = chosen.filter(({ id, scope }) => !heldKeys.has(assignmentKey(id, scope)));
  const removed = held.filter(({ roleId, scope }) => !chosenKeys.has(assignmentKey(roleId, scope)));
  if (added.length + removed.length === 0) return null;
  // Assignments that the member keeps were checked when they were made. Added assignments, including scoped ones, are
  // checked now.
  assertMayGrant(standing, added);
  await deleteAssignments(
    tx,
    organizationId,
    removed.map(({ id }) => id),
  );
  if (added.length > 0) {
    await assignRoles(deps, tx, { organizationId, userId }, added);
    // While this transaction waited for the locks, a preset may have changed the roles. From here on the roles cannot
    // change.
    const ids = added.map(({ id }) => id);
    // If callers change their own membership, their rights before the change count. Nobody may use rights that this
    // change adds.
    const now = userId === callerId ? null : await findStanding(tx, organizationId, callerId);
    assertMayGrant(now ?? standing, await findRoles(tx, organizationId, { ids, names: [] }));
  }
  return { added: added.map(named), removed: removed.map(named) };
}

function named({ name, scope }: { readonly name: string; readonly scope: object }): string {
  return Object.keys(scope).length === 0 ? name : `${name} (scoped)`;
}
