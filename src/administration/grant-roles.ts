// An operator gives somebody roles in an organization, and makes them a member where they are none. What an operator
// gives is not judged by anybody's own rights; the limit of team members holds all the same.
import { problem } from '../errors.ts';
import { record } from '../events/record.ts';
import { countSeats } from '../invitations/store.ts';
import { insertAssignments, listAssignments } from '../members/assignment-store.ts';
import { assignmentKey, type ChosenRole, chooseRoles } from '../members/choose-roles.ts';
import { joinOrganization } from '../members/join-organization.ts';
import { findStanding, lockOrganization } from '../members/standing-store.ts';
import type { Clock } from '../platform/clock.ts';
import type { SystemTx } from '../platform/db.ts';
import { newId, type Random } from '../platform/random.ts';
import type { Revocation } from '../protocol/revocation.ts';
import type { Account } from '../users/accounts.ts';
import { parseEmail } from '../users/email.ts';
import { raiseEpochs } from '../users/epoch-store.ts';

export interface RoleGrant {
  readonly organizationId: string;
  /** Ids or names of roles of the organization, or of system roles. */
  readonly roles: readonly string[];
}

export interface GrantedRoles {
  /** Whether they became a member by it. */
  readonly joined: boolean;
  /** The names of the roles that they did not hold before. */
  readonly added: readonly string[];
  readonly revocations: readonly Revocation[];
}

/**
 * Gives the roles, everywhere in the organization, in a transaction that the caller ends; the revocations are published
 * after it. Repeating it changes nothing. Raises not_found, team_member_limit.
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
  const chosen = await chooseRoles(
    tx,
    organizationId,
    grant.roles.map((role) => ({ role, scope: {} })),
  );
  const standing = await findStanding(tx, organizationId, user.id);
  if (!standing) {
    const { limit, members, pending } = await countSeats(tx, organizationId, parseEmail(user.email)?.key ?? '');
    if (limit !== null && members + pending + 1 > limit) throw problem('team_member_limit');
    await joinOrganization(deps, tx, { organizationId, userId: user.id, roles: chosen, data: { by: 'operator' } });
    return { joined: true, added: namesOf(chosen), revocations: await raiseEpochs(tx, [user.id]) };
  }
  const held = new Set(
    (await listAssignments(tx, organizationId, user.id)).map(({ roleId, scope }) => assignmentKey(roleId, scope)),
  );
  const missing = chosen.filter(({ id, scope }) => !held.has(assignmentKey(id, scope)));
  if (missing.length === 0) return { joined: false, added: [], revocations: [] };
  await insertAssignments(
    tx,
    missing.map(({ id: roleId, ownerKey: roleOwnerKey, scope }) => {
      const id = newId(deps.random, deps.clock);
      return { id, organizationId, userId: user.id, roleId, roleOwnerKey, scope };
    }),
  );
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'member.roles_changed',
    organizationId,
    actorId: null,
    targetId: user.id,
    data: { added: namesOf(missing), removed: [] },
  });
  return { joined: false, added: namesOf(missing), revocations: await raiseEpochs(tx, [user.id]) };
}

function namesOf(roles: readonly ChosenRole[]): string[] {
  return roles.map(({ name }) => name);
}
