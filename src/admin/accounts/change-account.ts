// The changes that an operator makes to an account: disable it, enable it, set its password. Each change ends all
// sessions of the account in the same transaction. No HTTP route makes these changes.

import type { SystemTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import type { EndReason } from '../../base/events/sessions.ts';
import { newId } from '../../base/platform/random.ts';
import { publishing } from '../../base/revoking/publish.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import type { PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { setPasswordHash, updateAccountStatus } from '../../directory/users/account-store.ts';
import { requestPasswordChangedMail } from '../../sign-in/notices/password-changed.ts';
import type { EndedSessions } from '../../sign-in/sessions/ending-store.ts';
import { endAllOfUser, type OperatorDeps } from '../sessions/sessions.ts';

export interface AccountChanged {
  /** False when the account already had that status. */
  readonly changed: boolean;
  /** The number of live sessions that the change ended. */
  readonly sessionsEnded: number;
}

type AccountEventType = 'user.disabled' | 'user.enabled' | 'user.password_set';

async function endSessionsAndRecord(
  deps: OperatorDeps,
  tx: SystemTx,
  userId: string,
  event: { readonly type: AccountEventType; readonly reason: EndReason },
): Promise<EndedSessions> {
  const ended = await endAllOfUser(tx, userId, event.reason);
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: event.type,
    organizationId: null,
    actorId: null,
    targetId: userId,
  });
  return ended;
}

async function setStatus(
  deps: OperatorDeps,
  userId: string,
  status: 'active' | 'disabled',
  event: { readonly type: AccountEventType; readonly reason: EndReason },
): Promise<AccountChanged> {
  const commit = deps.db.system(async (tx) => {
    const changed = await updateAccountStatus(tx, userId, status);
    const ended = changed ? await endSessionsAndRecord(deps, tx, userId, event) : { revocations: [], live: 0 };
    return { changed, ...ended };
  });
  const { changed, live } = await publishing(deps, commit);
  return { changed, sessionsEnded: live };
}

/** Disables the account. The user can no longer sign in, and all sessions and access tokens of the account end. */
export function disableAccount(deps: OperatorDeps, userId: string): Promise<AccountChanged> {
  return setStatus(deps, userId, 'disabled', { type: 'user.disabled', reason: 'account_disabled' });
}

/**
 * Enables the account. Older sessions remain ended, including a session that was opened while the account was being
 * disabled.
 */
export function enableAccount(deps: OperatorDeps, userId: string): Promise<AccountChanged> {
  return setStatus(deps, userId, 'active', { type: 'user.enabled', reason: 'account_enabled' });
}

export interface PasswordDeps extends OperatorDeps {
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
}

/**
 * Sets another password, ends all sessions of the account, and mails a notice to its owner. Returns the number of live
 * sessions that it ended. Raises validation_failed.
 */
export async function setPassword(
  deps: PasswordDeps,
  account: { readonly id: string; readonly email: string; readonly name?: string },
  password: string,
): Promise<number> {
  await deps.passwordPolicy.assertGood(password, account);
  const hash = await deps.passwords.hash(password);
  const commit = deps.db.system(async (tx) => {
    await setPasswordHash(tx, account.id, hash);
    await requestPasswordChangedMail(deps, tx, { userId: account.id, sessionId: null });
    return endSessionsAndRecord(deps, tx, account.id, { type: 'user.password_set', reason: 'password_set' });
  });
  return (await publishing(deps, commit)).live;
}
