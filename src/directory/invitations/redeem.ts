// Judges whether a token may be redeemed, and redeems it within the transaction that makes its holder a member. Whatever
// is wrong with a token, the answer is one and the same. Who the holder is was proven by others.

import type { SystemReader, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { permits } from '../../protocol/permission.ts';
import { joinOrganization } from '../members/join-organization.ts';
import type { ScopedRole } from '../members/resolve-roles.ts';
import { covers } from '../rights/granting.ts';
import { findStanding, lockOrganization } from '../rights/store.ts';
import { findByTokenHash, markAccepted, type Redeemable } from './redeem-store.ts';
import { assertSeatLeft } from './seats.ts';
import { isMembersEmail, lockOfferedRoles } from './store.ts';
import { hashOfToken } from './token.ts';

export type { Redeemable } from './redeem-store.ts';

/**
 * The invitation of a token. `tenants` are the ids or slugs that the request's headers name. Nothing is consumed. Raises
 * invitation_invalid, tenant_mismatch, and bad_request when they name different organizations.
 */
export async function getRedeemable(tx: SystemReader, token: string, tenants: readonly string[]): Promise<Redeemable> {
  const invitation = await findByTokenHash(tx, hashOfToken(token));
  if (!invitation) throw problem('invitation_invalid');
  const own = tenants.filter((name) => name === invitation.organizationId || name === invitation.organizationSlug);
  if (own.length === tenants.length) return invitation;
  if (own.length > 0) {
    throw problem('bad_request', { detail: 'The request names different organizations: name one.' });
  }
  throw problem('tenant_mismatch', { detail: 'The header names another organization than the one that invites.' });
}

/**
 * Uses the token up and makes the user a member, all judged at this moment under the organization's lock: the token, the
 * inviter's rights, the roles as they are now, the seat. The user need not exist before `admit`, which runs between the
 * judgement and the joining. Raises invitation_invalid, already_member, team_member_limit, which undo it all.
 */
export async function redeemInvitation(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  input: {
    readonly invitation: Redeemable;
    readonly token: string;
    readonly userId: string;
    readonly admit: () => Promise<void>;
  },
): Promise<void> {
  const { invitation, userId } = input;
  const { organizationId } = invitation;
  if ((await lockOrganization(tx, organizationId)) !== 'active') throw problem('invitation_invalid');
  const accepted = await markAccepted(tx, invitation, hashOfToken(input.token), userId);
  if (!accepted) throw problem('invitation_invalid');
  const roles = await lockOfferedRoles(tx, organizationId, invitation.id);
  const granted = roles.length > 0 && (await mayStillInvite(tx, organizationId, accepted.invitedBy, roles));
  if (!granted) throw problem('invitation_invalid');
  if (await isMembersEmail(tx, organizationId, invitation.emailKey)) throw problem('already_member');
  await assertSeatLeft(tx, organizationId, invitation.emailKey);
  await input.admit();
  await joinOrganization(deps, tx, {
    organizationId,
    userId,
    actorId: userId,
    roles,
    data: { invitationId: invitation.id },
  });
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'invitation.accepted',
    organizationId,
    actorId: userId,
    targetId: invitation.id,
  });
}

// What the inviter could give then does not count, but what they can give now. An operator is not judged.
async function mayStillInvite(
  tx: SystemTx,
  organizationId: string,
  invitedBy: string | null,
  roles: readonly ScopedRole[],
): Promise<boolean> {
  if (invitedBy === null) return true;
  const standing = await findStanding(tx, organizationId, invitedBy);
  if (!standing?.active || !permits(standing.permissions, 'users:invite')) return false;
  return roles.every((role) => covers(standing, role));
}
