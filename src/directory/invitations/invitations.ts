// Creates, renews, lists and revokes the invitations of an organization. The outbox sends their mails. redeem.ts and
// sign-in/accept-invitation/ accept invitations.

import type { Database, OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import { enqueue } from '../../base/outbox/enqueue.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { orNoSuchRole, type RoleChoice, resolveRoles, type ScopedRole } from '../members/resolve-roles.ts';
import { findOrganizationId } from '../organizations/store.ts';
import { assertMayGrant } from '../rights/granting.ts';
import { lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { lockOrganization } from '../rights/store.ts';
import { type EmailAddress, parseEmail } from '../users/email.ts';
import { isMailboxProven } from '../users/mailbox-store.ts';
import { assertMailAllowed, type BudgetDeps } from './budgets.ts';
import { INVITATION_MAIL } from './mail.ts';
import { assertSeat } from './seats.ts';
import {
  countInvitations,
  findInvitation,
  type InvitationRow,
  isMembersEmail,
  listInvitationRows,
  listOfferedRoles,
  markRevoked,
  setOfferedRoles,
  upsertInvitation,
} from './store.ts';

export interface OperatorInvitationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly invitationTtlSeconds: number;
}

export interface InvitationDeps extends OperatorInvitationDeps, BudgetDeps {
  /** Makes the outbox send the mail at once. Call this after the commit. */
  readonly nudgeOutbox: () => void;
}

export interface Invite {
  readonly email: string;
  readonly roles: readonly RoleChoice[];
}

/**
 * An invitation as its organization sees it. Until it is accepted, it does not show whether the e-mail address has an
 * account.
 */
export type Invitation = Omit<InvitationRow, 'emailKey' | 'createdAt' | 'expiresAt'> & {
  readonly createdAt: string;
  readonly expiresAt: string;
};

export const NO_SUCH = { detail: 'There is no such pending invitation: list the invitations first.' };

/**
 * Invites an e-mail address, or renews its pending invitation. A renewal makes the older token invalid. The new mail
 * contains a new token. Raises the errors of lockAndAuthorize, email_unverified, validation_failed, not_found for an
 * unknown role, grant_exceeds_own, already_member, team_member_limit, too_many_requests.
 */
export async function invite(
  deps: InvitationDeps,
  caller: OrganizationCaller,
  input: Invite,
  once: Once = WITHOUT_KEY,
): Promise<Invitation> {
  const email = validEmail(input.email);
  const { organizationId } = caller;
  const invitation = await deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    await once.begin(tx);
    const standing = await lockAndAuthorize(tx, caller, 'users:invite');
    await assertProven(tx, caller);
    const roles = await resolveRoles(tx, organizationId, input.roles);
    assertMayGrant(standing, roles);
    await assertMailAllowed(deps, tx, organizationId, email.key, caller.id);
    const row = await writeInvitation(deps, tx, { organizationId, invitedBy: caller.id, email, roles });
    return once.keep(tx, toInvitation(row));
  });
  deps.nudgeOutbox();
  return invitation;
}

/**
 * Invites an e-mail address for an operator. Unlike `invite`, this checks neither rights nor the limits of mails. The
 * organization is named by id or slug. Raises not_found, organization_suspended and the errors of `writeInvitation`.
 */
export async function inviteByOperator(
  deps: OperatorInvitationDeps,
  input: Invite & { readonly organization: string },
): Promise<Invitation> {
  const email = validEmail(input.email);
  const organizationId = await findOrganizationId(deps.db.systemReader(), input.organization);
  if (organizationId === null) throw noOrganization();
  const write = async (tx: SystemTx) => {
    const status = await lockOrganization(tx, organizationId);
    if (status === null) throw noOrganization();
    if (status === 'suspended') throw problem('organization_suspended');
    const roles = await resolveRoles(tx, organizationId, input.roles);
    return writeInvitation(deps, tx, { organizationId, invitedBy: null, email, roles });
  };
  const row = await deps.db.system(write, { organizationId });
  return toInvitation(row);
}

export interface SendingGuards {
  readonly once?: Once;
  readonly assertVersion?: AssertVersion<Invitation>;
}

/**
 * Sends a pending or expired invitation again, with a new token and the full lifetime. The older token becomes invalid
 * immediately. The caller becomes the inviter, so the caller's rights must include the roles of the invitation. Raises
 * not_found, precondition_failed, and the errors of `invite`.
 */
export async function resendInvitation(
  deps: InvitationDeps,
  caller: OrganizationCaller,
  id: string,
  { once = WITHOUT_KEY, assertVersion = anyVersion }: SendingGuards = {},
): Promise<Invitation> {
  const { organizationId } = caller;
  const invitation = await deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    await once.begin(tx);
    const standing = await lockAndAuthorize(tx, caller, 'users:invite');
    await assertProven(tx, caller);
    const known = await findInvitation(tx, organizationId, id);
    if (known?.status !== 'pending' && known?.status !== 'expired') throw problem('not_found', NO_SUCH);
    await assertVersion(() => toInvitation(known));
    const roles = await listOfferedRoles(tx, organizationId, id);
    if (roles.length === 0)
      throw problem('not_found', { detail: 'The roles that it offered no longer exist: invite again.' });
    assertMayGrant(standing, roles);
    await assertMailAllowed(deps, tx, organizationId, known.emailKey, caller.id);
    const email = { address: known.email, key: known.emailKey };
    const row = await writeInvitation(deps, tx, { organizationId, invitedBy: caller.id, email, roles });
    return once.keep(tx, toInvitation(row));
  });
  deps.nudgeOutbox();
  return invitation;
}

/**
 * Revokes a pending or expired invitation. Raises not_found for any other invitation, precondition_failed, and the
 * errors of lockAndAuthorize.
 */
export async function revokeInvitation(
  deps: InvitationDeps,
  caller: OrganizationCaller,
  id: string,
  assertVersion: AssertVersion<Invitation> = anyVersion,
): Promise<void> {
  const { organizationId } = caller;
  await deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    await lockAndAuthorize(tx, caller, 'users:invite');
    await assertVersion(async () => {
      const known = await findInvitation(tx, organizationId, id);
      if (known?.status !== 'pending' && known?.status !== 'expired') throw problem('not_found', NO_SUCH);
      return toInvitation(known);
    });
    if (!(await markRevoked(tx, organizationId, id))) throw problem('not_found', NO_SUCH);
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'invitation.revoked',
      organizationId,
      actorId: caller.id,
      targetId: id,
    });
  });
}

/** The invitations of the caller's organization, the newest first. */
export async function listInvitations(
  deps: InvitationDeps,
  caller: OrganizationCaller,
  query: Page & { readonly status: InvitationRow['status'] | null },
): Promise<Paged<Invitation>> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader({ organizationId, userId: caller.id }, { bulk: true });
  return paged(await listInvitationRows(reader, organizationId, query), query, {
    toItem: toInvitation,
    countAll: () => countInvitations(reader, organizationId, query.status),
  });
}

/** One invitation of the caller's organization. Raises not_found. */
export async function getInvitation(deps: InvitationDeps, caller: OrganizationCaller, id: string): Promise<Invitation> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader({ organizationId, userId: caller.id });
  const row = await findInvitation(reader, organizationId, id);
  if (!row) throw problem('not_found', { detail: 'There is no such invitation: list the invitations first.' });
  return toInvitation(row);
}

/**
 * Raises email_unverified. Somebody who has proven no address cannot be reached or recognized, and must not cause mails
 * to strangers.
 */
async function assertProven(tx: OrganizationTx, { id }: OrganizationCaller): Promise<void> {
  if (!(await isMailboxProven(tx, id))) throw problem('email_unverified');
}

interface InvitationToWrite {
  readonly organizationId: string;
  readonly invitedBy: string | null;
  readonly email: EmailAddress;
  readonly roles: readonly ScopedRole[];
}

/**
 * Creates or renews the invitation, and requests its mail. Call this under the organization's lock. Raises
 * already_member, team_member_limit.
 */
async function writeInvitation(
  deps: OperatorInvitationDeps,
  tx: OrganizationTx | SystemTx,
  { organizationId, invitedBy, email, roles }: InvitationToWrite,
): Promise<InvitationRow> {
  if (await isMembersEmail(tx, organizationId, email.key)) throw problem('already_member');
  await assertSeat(tx, organizationId, email.key);
  const { id, renewed } = await upsertInvitation(tx, {
    id: newId(deps.random, deps.clock),
    organizationId,
    email: email.address,
    emailKey: email.key,
    invitedBy,
    ttlSeconds: deps.invitationTtlSeconds,
  });
  await orNoSuchRole(setOfferedRoles(tx, organizationId, id, roles));
  await enqueue(tx, {
    id: newId(deps.random, deps.clock),
    kind: INVITATION_MAIL,
    organizationId,
    subjectId: id,
    recipientKey: email.key,
    actorId: invitedBy,
  });
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: renewed ? 'invitation.renewed' : 'invitation.created',
    organizationId,
    actorId: invitedBy,
    targetId: id,
    data: { roles: roles.map(({ name }) => name) },
  });
  const row = await findInvitation(tx, organizationId, id);
  if (!row) throw new Error('the written invitation was not found');
  return row;
}

function validEmail(typed: string): EmailAddress {
  const email = parseEmail(typed);
  if (!email) throw invalid('email', 'must be one e-mail address such as ada@example.com');
  return email;
}

function noOrganization() {
  return problem('not_found', { detail: 'There is no organization with this id or slug.' });
}

export function toInvitation(row: InvitationRow): Invitation {
  const { id, email, status, roles, invitedBy, acceptedBy, createdAt, expiresAt } = row;
  return {
    id,
    email,
    status,
    roles,
    invitedBy,
    acceptedBy,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  };
}
