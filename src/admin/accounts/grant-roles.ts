// Assigns roles in an organization for an operator. If the user is not yet a member, the user becomes one. An operator
// may assign any role, but the limit of team members still applies.

import type { SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { assertSeat } from '../../directory/invitations/seats.ts';
import { assignRoles } from '../../directory/members/assign-roles.ts';
import { listAssignments } from '../../directory/members/assignment-store.ts';
import { joinOrganization } from '../../directory/members/join-organization.ts';
import { assignmentKey, resolveRoles, type ScopedRole } from '../../directory/members/resolve-roles.ts';
import { findStanding, lockOrganization } from '../../directory/rights/store.ts';
import type { Account } from '../../directory/users/accounts.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { raiseMembershipEpochs } from '../../directory/users/epoch-store.ts';

export interface RoleGrant {
  readonly organizationId: string;
  /** The ids or names of roles of the organization, or of system roles. */
  readonly roles: readonly string[];
}

export interface GrantedRoles {
  /** Whether the user became a member. */
  readonly joined: boolean;
  /** The names of the roles that the user did not have before. */
  readonly added: readonly string[];
}

/**
 * Assigns the roles without a scope, within the caller's transaction. A service refuses older tokens as soon as it has
 * read the revocation. A second call with the same roles changes nothing. Raises not_found, team_member_limit.
 */
export async function grantRoles(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  user: Pick<Account, 'id' | 'email'>,
  grant: RoleGrant,
): Promise<GrantedRoles> {
  const { organizationId } = grant;
  if ((await lockOrganization(tx, organizationId)) === null) {
    throw problem('not_found', { detail: 'There is no such organization: check its id or slug.' });
  }
  const chosen = await resolveRoles(
    tx,
    organizationId,
    grant.roles.map((role) => ({ role, scope: {} })),
  );
  const standing = await findStanding(tx, organizationId, user.id);
  if (!standing) {
    await assertSeat(tx, organizationId, parseEmail(user.email)?.key ?? '');
    const data = { by: 'operator' } as const;
    await joinOrganization(deps, tx, { organizationId, userId: user.id, actorId: null, roles: chosen, data });
    return { joined: true, added: namesOf(chosen) };
  }
  const held = new Set(
    (await listAssignments(tx, organizationId, user.id)).map(({ roleId, scope }) => assignmentKey(roleId, scope)),
  );
  const missing = chosen.filter(({ id, scope }) => !held.has(assignmentKey(id, scope)));
  if (missing.length === 0) return { joined: false, added: [] };
  await assignRoles(deps, tx, { organizationId, userId: user.id }, missing);
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'member.roles_changed',
    organizationId,
    actorId: null,
    targetId: user.id,
    data: { added: namesOf(missing), removed: [] },
  });
  await raiseMembershipEpochs(tx, [{ organizationId, userId: user.id }]);
  return { joined: false, added: namesOf(missing) };
}

function namesOf(roles: readonly ScopedRole[]): string[] {
  return roles.map(({ name }) => name);
}
