// Accepts an invitation, for a signed-in user or with a registration. The token proves the mailbox. Redeeming the token
// makes the user a member. The answer is the same as the answer of a sign-in. One transaction makes all these changes;
// only a refresh token is exchanged after it. The transaction is in the system scope, because the user is not a member
// yet, and because the proof of the mailbox belongs to the user, not to the organization.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { newId } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endAll } from '../../credentials/one-time/consume.ts';
import { EVERY_PURPOSE } from '../../credentials/one-time/purposes.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { getRedeemable, type Redeemable, redeemInvitation } from '../../directory/invitations/redeem.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { assertLive } from '../../directory/users/live-session.ts';
import { findAccountByMailbox, findEmailKey } from '../../directory/users/mailbox-store.ts';
import { insertUser } from '../../directory/users/store.ts';
import type { Caller } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { type ClaimDeps, takeOver } from '../mailbox-proof/claim.ts';
import { proveMailbox } from '../mailbox-proof/proven.ts';
import { endRegistrationsOf } from '../registration/end.ts';
import { endAccess } from '../sessions/end-session.ts';
import {
  answerSession,
  assertCanSign,
  type Device,
  keepSession,
  type Opened,
  refusal,
  type SessionDeps,
  type SignAnswer,
  signIn,
  storeSession,
} from '../sessions/open-session.ts';
import { admitToken, exchange, type Refresh, type RefreshDeps } from '../sessions/refresh.ts';
import { updateSessionOrganization } from '../sessions/store.ts';

export interface JoinDeps extends SessionDeps, PublishDeps, ClaimDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
}

interface Presented {
  readonly token: string;
  /** The ids or slugs of organizations that the request's headers name. */
  readonly tenants: readonly string[];
}

export interface JoinAsUser extends Presented, Pick<Refresh, 'limitRefresh' | 'network'> {
  /** The session's refresh token if the caller wants it exchanged, otherwise null. */
  readonly refreshToken: string | null;
}

export interface JoinByRegistering extends Presented {
  /** Null means the e-mail address of the invitation. */
  readonly email: string | null;
  readonly name: string;
  readonly password: string;
  /** The language of the request; null when it is unknown. */
  readonly locale: Language | null;
  readonly device: Device;
}

const PROVEN = { reason: 'mailbox_proven' } as const;

/**
 * Makes the signed-in user a member. The user's session then acts for the organization. Raises invitation_invalid,
 * tenant_mismatch, invitation_for_another, already_member, team_member_limit, session_revoked, account_disabled,
 * organization_access_denied, organization_suspended. For a refresh token it also raises invalid_refresh_token,
 * session_expired and too_many_requests. Before the commit, no error uses up the invitation. The refresh token is
 * exchanged after the commit. So the user has already joined when refresh_token_reused, or an error because the session
 * has ended, is raised.
 */
export async function acceptAsUser(
  deps: JoinDeps & RefreshDeps,
  caller: Caller,
  input: JoinAsUser,
): Promise<SignAnswer> {
  const { token, refreshToken, limitRefresh } = input;
  const invitation = await getRedeemable(deps.db.systemReader(), token, input.tenants);
  if ((await findEmailKey(deps.db.systemReader(), caller.id)) !== invitation.emailKey) {
    throw problem('invitation_for_another');
  }
  const { sessionId } = caller;
  const claims = refreshToken === null ? null : await admitToken(deps, { refreshToken, sessionId });
  if (claims) await limitRefresh(sessionId, [], async () => undefined); // before the invitation is used up
  assertCanSign(deps);
  const { organizationId } = invitation;

  async function join(tx: SystemTx) {
    let revocations: readonly Revocation[] = [];
    const beforeJoining = async () => {
      revocations = await proveAsUser(deps, tx, caller);
    };
    await redeemInvitation(deps, tx, { invitation, token, userId: caller.id, beforeJoining });
    const switched = await updateSessionOrganization(tx, caller, organizationId);
    if (!switched) throw refusedToken('session_revoked');
    assertLive(switched);
    if (!switched.session) throw refusal(switched.subject);
    return { revocations, subject: switched.subject, session: switched.session };
  }

  const { subject, session } = await publishing(deps, deps.db.system(join, { organizationId }));
  if (claims) {
    const signed = await exchange(deps, claims, { organization: [], network: input.network });
    return async () => signed;
  }
  const { amr, authenticatedAt, idleExpiresAt } = session;
  return () => signIn(deps, subject, { sessionId, amr, authenticatedAt, refreshToken: { expiresAt: idleExpiresAt } });
}

/**
 * Marks the mailbox as proven. If this is the first proof, it ends the user's other sessions and makes older tokens
 * stale, because another person may have them. Otherwise the user's tokens stay valid: none of them is for the
 * organization that the user joins.
 */
async function proveAsUser(deps: JoinDeps, tx: SystemTx, caller: Caller): Promise<readonly Revocation[]> {
  const { id: userId, sessionId: exceptId } = caller;
  const isFirst = await proveMailbox(deps, tx, { userId, actorId: userId });
  if (!isFirst) return [];
  await endAll(tx, userId, EVERY_PURPOSE);
  return endAccess(tx, { userId, exceptId, ...PROVEN }); // this also locks the caller's session, which is switched next
}

const TAKEN = {
  detail: 'An account with this e-mail already exists: sign in with it, and accept the invitation again.',
};

/**
 * Creates an account with the invitation's e-mail address and makes it a member. If there is already an account with an
 * unproven mailbox, the caller takes over that account instead. Raises invitation_invalid, tenant_mismatch,
 * invitation_for_another, email_taken, validation_failed, already_member, team_member_limit, service_busy. None of
 * these errors uses up the invitation.
 */
export async function acceptByRegistering(
  deps: JoinDeps,
  input: JoinByRegistering,
  once: Once = WITHOUT_KEY,
): Promise<Opened> {
  const { token, name, device } = input;
  const invitation = await getRedeemable(deps.db.systemReader(), token, input.tenants);
  if (input.email !== null && parseEmail(input.email)?.key !== invitation.emailKey) {
    throw problem('invitation_for_another', {
      detail: 'This invitation is for another e-mail: register with that one.',
    });
  }
  const context = { email: invitation.email, name, organizationName: invitation.organizationName };
  await deps.passwordPolicy.assertGood(input.password, context);
  // These checks run before the expensive hash. The statements of the transaction check the same facts again.
  const known = await findAccountByMailbox(deps.db.systemReader(), invitation.emailKey);
  if (known && !known.canBeTakenOver) {
    // If the same token created the account a moment ago, the token is used up. Then invitation_invalid is the right
    // answer.
    await getRedeemable(deps.db.systemReader(), token, input.tenants);
    throw problem('email_taken', TAKEN);
  }
  const passwordHash = await deps.passwords.hash(input.password);
  const userId = known?.id ?? newId(deps.random, deps.clock);

  async function join(tx: SystemTx) {
    await once.begin(tx);
    let revocations: readonly Revocation[] = [];
    const beforeJoining = async () => {
      const account = { userId, name, passwordHash, locale: input.locale, invitation };
      if (!known) await insertAccount(deps, tx, account);
      else {
        const taken = await takeOver(deps, tx, { ...account, email: invitation.email, ...PROVEN });
        if (!taken) throw problem('email_taken', TAKEN);
        revocations = taken;
      }
      await endRegistrationsOf(tx, invitation.emailKey);
    };
    await redeemInvitation(deps, tx, { invitation, token, userId, beforeJoining });
    const session = { userId, organization: invitation.organizationId, amr: ['pwd'], device };
    const pending = await storeSession(deps, tx, session);
    const answer = await keepSession(once, tx, pending, () => answerSession(deps, pending));
    return { revocations, opened: { pending, answer } };
  }

  const { organizationId } = invitation;
  const { opened } = await publishing(deps, deps.db.system(join, { organizationId }));
  return opened;
}

interface Account {
  readonly userId: string;
  readonly name: string;
  readonly passwordHash: string;
  readonly locale: Language | null;
  readonly invitation: Redeemable;
}

async function insertAccount(
  deps: JoinDeps,
  tx: SystemTx,
  { userId, name, passwordHash, locale, invitation }: Account,
): Promise<void> {
  const { email, emailKey } = invitation;
  if (!(await insertUser(tx, { id: userId, email, emailKey, name, passwordHash, locale })))
    throw problem('email_taken', TAKEN);
  await recordOwn(deps, tx, userId, 'user.registered');
  await proveMailbox(deps, tx, { userId, actorId: userId });
}
