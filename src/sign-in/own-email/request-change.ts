// A signed-in user asks for another address. Nothing changes until somebody proves that address. The answer, its work
// and its time are the same whether another account has the address or not.
import { invalid, problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Random } from '../../base/platform/random.ts';
import { endAll } from '../../credentials/one-time/consume.ts';
import { findLiveOf, lockOwner } from '../../credentials/one-time/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { isDisputed } from '../../directory/users/email-store.ts';
import { assertSessionLive } from '../../directory/users/live-session.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import type { Caller } from '../../protocol/caller.ts';
import { assertFresh, type Proof } from '../reauthentication/assert-fresh.ts';
import type { OwnPasswordDeps } from '../reauthentication/own-password.ts';
import { enqueueConfirmMail } from './mail.ts';

export interface RequestChangeDeps extends OwnPasswordDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly nudgeOutbox: () => void;
}

export interface RequestChange extends Proof {
  readonly newEmail: string;
}

/**
 * Requests the mail that proves the new address, and ends the former request. Raises validation_failed,
 * reauthentication_required, wrong_password, password_not_set, email_unchanged, email_disputed, account_disabled,
 * too_many_requests, service_busy and session_revoked.
 */
export async function requestEmailChange(
  deps: RequestChangeDeps,
  caller: Caller,
  { newEmail, ...proof }: RequestChange,
): Promise<void> {
  const email = parseEmail(newEmail);
  if (!email) throw invalid('newEmail', 'must be one e-mail address such as ada@example.com');
  await assertFresh(deps, caller, proof);
  const { id: userId, sessionId } = caller;
  await deps.db.system(async (tx) => {
    await lockOwner(tx, userId);
    await assertSessionLive(tx, caller);
    const user = await findReceiver(tx, userId);
    if (!user?.isActive) throw problem('account_disabled');
    if (parseEmail(user.email)?.key === email.key) throw problem('email_unchanged');
    if (await isDisputed(tx, userId, email.key)) throw problem('email_disputed');
    await endAll(tx, userId, ['change_email']);
    await enqueueConfirmMail(deps, tx, { userId, email, sessionId });
    await recordOwn(deps, tx, userId, 'user.email_change_requested');
  });
  deps.nudgeOutbox();
}

/** The address that the user has asked for, once its mail was made, until it is proven or the link has expired. */
export async function findPendingEmail({ db }: Pick<RequestChangeDeps, 'db'>, userId: string): Promise<string | null> {
  const found = await findLiveOf(db.systemReader(), userId, 'change_email');
  return found?.address ?? null;
}
