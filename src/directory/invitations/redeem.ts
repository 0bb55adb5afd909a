// Checks whether an invitation token is valid. Redeems the token in the transaction that makes the user a member. Every
// invalid token gets the same answer. The caller has already proven who the user is.

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
import { describeInvitation, findByTokenHash, markAccepted, type Offer, type Redeemable } from './redeem-store.ts';
import { assertSeatLeft } from './seats.ts';
import { isMembersEmail, lockOfferedRoles } from './store.ts';
import { hashOfToken } from './token.ts';

export type { Offer, Redeemable } from './redeem-store.ts';

/**
 * Returns the invitation of a token. Changes nothing. `tenants` are the ids or slugs of the organizations that the
 * request headers name. Raises invitation_invalid, tenant_mismatch, and bad_request when the headers name different
 * organizations.
 */
export async function getRedeemable(tx: SystemReader, token: string, tenants: readonly string[]): Promise<Redeemable> {
  const invitation = await findByTokenHash(tx, hashOfToken(token));
  if (!invitation) throw problem('invitation_invalid');
  const own = tenants.filter((name) => name === invitation.organizationId || name === invitation.organizationSlug);
  if (own.length === tenants.length) return invitation;
  if (own.length > 0) {
    throw problem('bad_request', { detail: 'The request names different organizations: name one.' });
  }
  throw problem('tenant_mismatch', { detail: 'The header names an organization other than the one that invites.' });
}

/** Returns what the invitation of a token says. Changes nothing. Raises invitation_invalid. */
export async function getOffer(tx: SystemReader, token: string): Promise<Offer> {
  const offer = await describeInvitation(tx, await getRedeemable(tx, token, []));
  if (!offer) throw problem('invitation_invalid');
  return offer;
}

/**
 * Redeems the token and makes the user a member. Under the organization's lock, it checks the token, the current rights
 * of the inviter, the current content of the roles, and the limit of team members. `beforeJoining` runs after these
 * checks and may create the user. Raises invitation_invalid, already_member, team_member_limit. Each of these errors
 * undoes the whole transaction.
 */
export async function redeemInvitation(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  input: {
    readonly invitation: Redeemable;
    readonly token: string;
    readonly userId: string;
    readonly beforeJoining: () => Promise<void>;
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
  await input.beforeJoining();
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

// The rights that the inviter has now decide, not the rights at the time of the invitation. An operator needs no
// rights.
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
