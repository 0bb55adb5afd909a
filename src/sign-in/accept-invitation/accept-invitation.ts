// Accepting an invitation, as a signed-in user or by registering: the token proves the mailbox, redeeming it makes the
// member, and the answer is that of every sign-in. All of it is one transaction; across organizations, because who joins
// is no member yet, and because the proof concerns the person.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import { assertGoodPassword } from '../../credentials/passwords/policy.ts';
import { getRedeemable, type Redeemable, redeemInvitation } from '../../directory/invitations/redeem.ts';
import { markSentRevoked } from '../../directory/invitations/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import {
  findAccountByMailbox,
  findEmailKey,
  markEmailVerified,
  takeOverUnproven,
} from '../../directory/users/mailbox-store.ts';
import { insertUser } from '../../directory/users/store.ts';
import type { Caller } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { lockSessions, markSessionsEnded } from '../sessions/ending-store.ts';
import {
  answerSession,
  assertCanSign,
  type Device,
  refusal,
  type SessionDeps,
  type SignedIn,
  signIn,
  storeSession,
} from '../sessions/open-session.ts';
import { admitToken, exchange, type Refresh, type RefreshDeps } from '../sessions/refresh.ts';
import { updateSessionOrganization } from '../sessions/store.ts';

export interface JoinDeps extends SessionDeps, PublishDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly passwordMinLength: number;
}

interface Presented {
  readonly token: string;
  /** The ids or slugs of organizations that the request's headers name. */
  readonly tenants: readonly string[];
}

export interface JoinAsUser extends Presented, Pick<Refresh, 'limitRefresh'> {
  /** The session's refresh token, if the caller wants it exchanged as well. */
  readonly refreshToken: string | null;
}

export interface JoinByRegistering extends Presented {
  /** Null: the invitation's. */
  readonly email: string | null;
  readonly name: string;
  readonly password: string;
  readonly device: Device;
}

const PROVEN = { reason: 'mailbox_proven' } as const;

/**
 * Joins as the signed-in user, whose session acts for the organization from then on. Raises invitation_invalid,
 * tenant_mismatch, invitation_for_another, already_member, team_member_limit, session_revoked, account_disabled,
 * organization_access_denied, organization_suspended, and of a refresh token invalid_refresh_token, session_expired and
 * too_many_requests: all of them consume nothing. The token is exchanged after the commit: that it was used before
 * (refresh_token_reused) or that the session has ended meanwhile is told then, to somebody who has joined.
 */
export async function acceptAsUser(deps: JoinDeps & RefreshDeps, caller: Caller, input: JoinAsUser): Promise<SignedIn> {
  const { token, refreshToken, limitRefresh } = input;
  const invitation = await getRedeemable(deps.db.systemReader(), token, input.tenants);
  if ((await findEmailKey(deps.db.systemReader(), caller.id)) !== invitation.emailKey) {
    throw problem('invitation_for_another');
  }
  const { sessionId } = caller;
  const claims = refreshToken === null ? null : await admitToken(deps, { refreshToken, sessionId, limitRefresh });
  assertCanSign(deps);
  const { organizationId } = invitation;

  async function join(tx: SystemTx) {
    let revocations: readonly Revocation[] = [];
    const admit = async () => {
      revocations = await proveMailbox(deps, tx, caller);
    };
    await redeemInvitation(deps, tx, { invitation, token, userId: caller.id, admit });
    const switched = await updateSessionOrganization(tx, caller.id, sessionId, organizationId);
    if (!switched?.live) throw problem('session_revoked');
    if (!switched.session) throw refusal(switched.subject);
    return { revocations, subject: switched.subject, session: switched.session };
  }

  const { subject, session } = await publishing(deps, deps.db.system(join));
  if (claims) return exchange(deps, claims, { organization: [] });
  return signIn(deps, subject, {
    sessionId,
    amr: session.amr,
    authenticatedAt: session.openedAt,
    refreshToken: { expiresAt: session.idleExpiresAt },
  });
}

/** Older tokens of the user know nothing of the membership. Sessions of before the first proof may be a stranger's. */
async function proveMailbox(deps: JoinDeps, tx: SystemTx, caller: Caller): Promise<Revocation[]> {
  const { id: userId, sessionId: exceptId } = caller;
  const first = await markEmailVerified(tx, userId);
  const raised = await raiseEpochs(tx, [userId]);
  if (!first) return raised;
  await recordOwn(deps, tx, userId, 'user.email_verified');
  await lockSessions(tx, userId); // the one that stays as well: it is switched next
  const { revocations } = await markSessionsEnded(tx, { userId, exceptId, ...PROVEN });
  return [...raised, ...revocations];
}

/**
 * Joins with an account of the invitation's e-mail that is made by this, or that is taken from whoever registered it
 * without ever proving the mailbox. Raises invitation_invalid, tenant_mismatch, invitation_for_another, email_taken,
 * validation_failed, already_member, team_member_limit, service_busy, which consume nothing.
 */
export async function acceptByRegistering(deps: JoinDeps, input: JoinByRegistering): Promise<SignedIn> {
  const { token, name, device } = input;
  const invitation = await getRedeemable(deps.db.systemReader(), token, input.tenants);
  if (input.email !== null && parseEmail(input.email)?.key !== invitation.emailKey) {
    throw problem('invitation_for_another', {
      detail: 'This invitation is for another e-mail: register with that one.',
    });
  }
  const context = { email: invitation.email, organizationName: invitation.organizationName };
  assertGoodPassword(input.password, context, deps.passwordMinLength);
  // Asked before the costly hash; the statements decide again at the end.
  const known = await findAccountByMailbox(deps.db.systemReader(), invitation.emailKey);
  if (known && !known.canBeTakenOver) {
    // The account may be the one that this very token has just made: then the token is used, and that is the answer.
    await getRedeemable(deps.db.systemReader(), token, input.tenants);
    throw problem('email_taken');
  }
  const passwordHash = await deps.passwords.hash(input.password);
  const userId = known?.id ?? newId(deps.random, deps.clock);

  const commit = deps.db.system(async (tx) => {
    let revocations: readonly Revocation[] = [];
    const admit = async () => {
      const account = { userId, name, passwordHash, invitation };
      if (known) revocations = await takeOver(deps, tx, account);
      else await insertAccount(deps, tx, account);
    };
    await redeemInvitation(deps, tx, { invitation, token, userId, admit });
    const session = { userId, organization: invitation.organizationId, amr: ['pwd'], device };
    return { revocations, pending: await storeSession(deps, tx, session) };
  });
  const { pending } = await publishing(deps, commit);
  return answerSession(deps, pending);
}

interface Account {
  readonly userId: string;
  readonly name: string;
  readonly passwordHash: string;
  readonly invitation: Redeemable;
}

async function insertAccount(
  deps: JoinDeps,
  tx: SystemTx,
  { userId, name, passwordHash, invitation }: Account,
): Promise<void> {
  const { email, emailKey } = invitation;
  if (!(await insertUser(tx, { id: userId, email, emailKey, name, passwordHash }))) throw problem('email_taken');
  await markEmailVerified(tx, userId);
  await recordOwn(deps, tx, userId, 'user.registered');
}

/**
 * Everything that an unproven owner can use ends in this transaction: the password, the sessions, the access tokens, the
 * invitations that were sent. Memberships stay: whoever forgot to prove the own account loses no organization by it.
 */
async function takeOver(deps: JoinDeps, tx: SystemTx, account: Account): Promise<Revocation[]> {
  const { userId, name, passwordHash } = account;
  const { email } = account.invitation;
  if (!(await takeOverUnproven(tx, { userId, email, name, passwordHash }))) throw problem('email_taken');
  await recordOwn(deps, tx, userId, 'user.claimed');
  await markSentRevoked(tx, userId, 'account_claimed');
  const raised = await raiseEpochs(tx, [userId]);
  const { revocations } = await markSessionsEnded(tx, { userId, ...PROVEN });
  return [...raised, ...revocations];
}

type OwnEventType = 'user.email_verified' | 'user.registered' | 'user.claimed';

function recordOwn(deps: JoinDeps, tx: SystemTx, userId: string, type: OwnEventType): Promise<void> {
  return record(tx, {
    id: newId(deps.random, deps.clock),
    type,
    organizationId: null,
    actorId: userId,
    targetId: userId,
  });
}
