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
import { replacePassword } from '../../directory/users/store.ts';
import type { Caller } from '../../protocol/caller.ts';
import { requestPasswordChangedMail } from '../notices/password-changed.ts';
import { assertPassword, getOwnCredentials } from '../reauthentication/own-password.ts';
import { answerRenewed, type ReauthenticateDeps, renewAuthentication } from '../reauthentication/reauthenticate.ts';
import type { OwnCredentials } from '../reauthentication/store.ts';
import { endAccess } from '../sessions/end-session.ts';
import { assertCanSign, type SignAnswer } from '../sessions/open-session.ts';

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
 * open the account. The answer has an access token for the session, and no refresh token. Raises validation_failed,
 * wrong_password, password_not_set, password_unchanged, password_changed, account_disabled, too_many_requests,
 * service_busy and session_revoked. None of these changes the account or its sessions.
 */
export async function changePassword(
  deps: ChangePasswordDeps,
  caller: Caller,
  { currentPassword, newPassword, network }: ChangePassword,
): Promise<SignAnswer> {
  assertCanSign(deps);
  const own = await getOwnCredentials(deps, caller);
  await assertGood(deps, own, newPassword);
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
  return () => answerRenewed(deps, caller, renewed);
}

/**
 * Raises validation_failed for a password that the policy refuses. The name of the organization for which the session
 * acts is one of the words that an attacker tries first.
 */
async function assertGood(
  { passwordPolicy }: ChangePasswordDeps,
  { email, name, organizationName }: OwnCredentials,
  newPassword: string,
): Promise<void> {
  const known = { email, name, ...(organizationName !== null && { organizationName }) };
  const weakness = await passwordPolicy.judge(newPassword, known);
  if (weakness) throw invalid('newPassword', weakness.message);
}
