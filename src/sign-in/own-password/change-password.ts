// A signed-in user changes their password. The session of the request goes on. The other sessions, the older access
// tokens, and the tokens of mails that could open the account end.
import type { SystemTx } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endAll } from '../../credentials/one-time/consume.ts';
import { ENDED_WITH_CREDENTIALS } from '../../credentials/one-time/purposes.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { normalisePassword } from '../../credentials/passwords/text.ts';
import { findProfile, replacePassword } from '../../directory/users/store.ts';
import type { Caller } from '../../protocol/caller.ts';
import { requestPasswordChangedMail } from '../notices/password-changed.ts';
import { assertPassword, getOwnCredentials } from '../reauthentication/own-password.ts';
import { answerRenewed, type ReauthenticateDeps, renewAuthentication } from '../reauthentication/reauthenticate.ts';
import { endAccess } from '../sessions/end-session.ts';
import { assertCanSign, type SignedIn } from '../sessions/open-session.ts';

export interface ChangePasswordDeps extends ReauthenticateDeps, PublishDeps {
  readonly passwordPolicy: PasswordPolicy;
  /** Makes the outbox send the mail at once. */
  readonly nudgeOutbox: () => void;
}

export interface ChangePassword {
  readonly currentPassword: string;
  readonly newPassword: string;
  /** The network of the request. Wrong passwords are counted by account and network. */
  readonly network: string;
}

/**
 * Changes the password, and ends the user's other sessions, all older access tokens, and the tokens of mails that could
 * open the account. Returns an access token for the session, and no refresh token. Raises validation_failed,
 * wrong_password, password_not_set, password_unchanged, password_changed, account_disabled, too_many_requests,
 * service_busy and session_revoked. None of these changes the account or its sessions.
 */
export async function changePassword(
  deps: ChangePasswordDeps,
  caller: Caller,
  { currentPassword, newPassword, network }: ChangePassword,
): Promise<SignedIn> {
  assertCanSign(deps);
  const own = await getOwnCredentials(deps, caller);
  await assertGood(deps, caller, newPassword);
  await assertPassword(deps, own, { password: currentPassword, network });
  if (normalisePassword(newPassword) === normalisePassword(currentPassword)) throw problem('password_unchanged');
  const hash = await deps.passwords.hash(newPassword);

  async function change(tx: SystemTx) {
    const isReplaced = own.changedAt !== null && (await replacePassword(tx, caller.id, own.changedAt, hash));
    if (!isReplaced) throw problem('password_changed');
    const { id: userId, sessionId } = caller;
    const revocations = await endAccess(tx, { userId, exceptId: sessionId, reason: 'password_changed' });
    await endAll(tx, userId, ENDED_WITH_CREDENTIALS);
    await recordOwn(deps, tx, userId, 'user.password_changed');
    await requestPasswordChangedMail(deps, tx, { userId, sessionId });
    // The new password was chosen with the proof of the old one. renewAuthentication also reads the raised epoch for
    // the token.
    const renewed = await renewAuthentication(tx, caller, null);
    return { renewed, revocations };
  }

  const { renewed } = await publishing(deps, deps.db.system(change));
  deps.nudgeOutbox();
  return answerRenewed(deps, caller, renewed);
}

/**
 * Raises validation_failed for a password that the policy refuses. The name of the organization for which the session
 * acts is one of the words that an attacker tries first.
 */
async function assertGood(deps: ChangePasswordDeps, caller: Caller, newPassword: string): Promise<void> {
  const { id, organizationId } = caller;
  const profile = await findProfile(deps.db.userReader(id), id, organizationId);
  const { email = '', name = '', organizationName } = profile ?? {};
  const weakness = await deps.passwordPolicy.judge(newPassword, {
    email,
    name,
    organizationName: organizationName ?? '',
  });
  if (weakness) throw invalid('newPassword', weakness.message);
}
