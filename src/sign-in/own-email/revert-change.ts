// Gives an account its former address again, for a person who has the link that was sent to that address. The person
// who made the change may know the password and have sessions, so the password is removed and all sessions end.

import type { SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import { publishing } from '../../base/revoking/publish.ts';
import { consumeToken, endAll, type OneTime } from '../../credentials/one-time/consume.ts';
import { type CreatedOneTime, createOneTime } from '../../credentials/one-time/create.ts';
import { ENDED_WITH_ADDRESS } from '../../credentials/one-time/purposes.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { deletePassword, insertReverts, updateEmail } from '../../directory/users/email-store.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { requestPasswordChangedMail } from '../notices/password-changed.ts';
import { endAccess } from '../sessions/end-session.ts';
import type { ConfirmChangeDeps } from './confirm-change.ts';

/** The token that sets a new password, and when it expires. */
export type Reset = Pick<CreatedOneTime<'reset_password'>, 'token' | 'expiresAt'>;

const TAKEN =
  'Another account has this e-mail now, so nothing was changed: request a new password for the e-mail, sign in, close that account, and use this link again.';

/**
 * Gives the account its former address again, which counts as proven, and removes the password. All sessions, access
 * tokens and other tokens of mails end, except those that restore a still earlier address, and the account cannot get
 * the addresses of the undone changes again. Returns the token that sets a new password. Raises
 * invalid_or_expired_token for every token that does not work, and email_taken when another account has the address,
 * which leaves the token as it is.
 */
export async function revertEmailChange(deps: ConfirmChangeDeps, token: string): Promise<Reset> {
  const { reset } = await publishing(
    deps,
    deps.db.system(async (tx) => {
      const used = await consumeToken(tx, 'revert_email', token);
      if (!used) throw problem('invalid_or_expired_token');
      return revert(deps, tx, used);
    }),
  );
  deps.nudgeOutbox();
  return reset;
}

async function revert(
  deps: ConfirmChangeDeps,
  tx: SystemTx,
  { userId, address, aboutAt }: OneTime,
): Promise<{ readonly reset: Reset; readonly revocations: readonly Revocation[] }> {
  const user = await findReceiver(tx, userId);
  const former = address === null ? null : parseEmail(address);
  const current = user && parseEmail(user.email);
  if (!user?.isActive || !former || !current) throw problem('invalid_or_expired_token');
  if (!(await updateEmail(tx, userId, former))) throw problem('email_taken', { detail: TAKEN });
  await insertReverts(tx, { userId, currentKey: current.key, formerKey: former.key, since: aboutAt });
  await deletePassword(tx, userId);
  const revocations = await endAccess(tx, { userId, reason: 'email_reverted' });
  await endAll(tx, userId, ENDED_WITH_ADDRESS);
  await recordOwn(deps, tx, userId, 'user.email_reverted');
  await requestPasswordChangedMail(deps, tx, { userId, sessionId: null });
  const reset = await createOneTime(deps, tx, { userId, purpose: 'reset_password', address: former });
  return { reset, revocations };
}
