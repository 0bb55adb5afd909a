// What operators do to an account: disable and enable it, set its password. Each ends what the account is signed in
// with, in the same transaction. Nobody does any of it over HTTP.

import type { SystemTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import { assertGoodPassword } from '../../credentials/passwords/policy.ts';
import { setPasswordHash, updateAccountStatus } from '../../directory/users/account-store.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { liveOf, type OperatorDeps, revocationsOf } from '../sessions/sessions.ts';
import { markUserSessionsEnded } from '../sessions/store.ts';

export interface AccountChanged {
  /** False when it was so already. */
  readonly changed: boolean;
  /** Sessions that were live and have ended with the change. */
  readonly sessionsEnded: number;
}

type EventType = 'user.disabled' | 'user.enabled' | 'user.password_set';

async function endEverything(
  deps: OperatorDeps,
  tx: SystemTx,
  userId: string,
  event: { readonly type: EventType; readonly reason: string },
) {
  const raised = await raiseEpochs(tx, [userId]);
  const ended = await markUserSessionsEnded(tx, userId, event.reason);
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: event.type,
    organizationId: null,
    actorId: null,
    targetId: userId,
  });
  return { revocations: [...raised, ...revocationsOf(ended)], sessionsEnded: liveOf(ended) };
}

async function setStatus(
  deps: OperatorDeps,
  userId: string,
  status: 'active' | 'disabled',
  event: { readonly type: EventType; readonly reason: string },
): Promise<AccountChanged> {
  const done = await deps.db.system(async (tx) =>
    (await updateAccountStatus(tx, userId, status)) ? endEverything(deps, tx, userId, event) : null,
  );
  deps.publish(done?.revocations ?? []);
  return { changed: done !== null, sessionsEnded: done?.sessionsEnded ?? 0 };
}

/** From now on the account signs in nowhere, and every session and access token of it is dead. */
export function disableAccount(deps: OperatorDeps, userId: string): Promise<AccountChanged> {
  return setStatus(deps, userId, 'disabled', { type: 'user.disabled', reason: 'account_disabled' });
}

/** Lets the account sign in again. Older sessions stay dead, also one whose opening met the disabling. */
export function enableAccount(deps: OperatorDeps, userId: string): Promise<AccountChanged> {
  return setStatus(deps, userId, 'active', { type: 'user.enabled', reason: 'account_enabled' });
}

export interface PasswordDeps extends OperatorDeps {
  readonly passwords: Passwords;
  readonly passwordMinLength: number;
}

/** Gives the account another password and ends all its sessions; gives how many were live. Raises validation_failed. */
export async function setPassword(
  deps: PasswordDeps,
  account: { readonly id: string; readonly email: string },
  password: string,
): Promise<number> {
  assertGoodPassword(password, { email: account.email }, deps.passwordMinLength);
  const hash = await deps.passwords.hash(password);
  const done: { revocations: Revocation[]; sessionsEnded: number } = await deps.db.system(async (tx) => {
    await setPasswordHash(tx, account.id, hash);
    return endEverything(deps, tx, account.id, { type: 'user.password_set', reason: 'password_set' });
  });
  deps.publish(done.revocations);
  return done.sessionsEnded;
}
