// Creates an account for an operator. No session is opened.

import type { SystemTx } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import { type Account, getAccount } from '../../directory/users/accounts.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findCredentials, insertUser } from '../../directory/users/store.ts';
import { proveMailbox } from '../../sign-in/mailbox-proof/proven.ts';
import { endRegistrationsOf } from '../../sign-in/registration/end.ts';
import type { PasswordDeps } from './change-account.ts';

export interface NewAccount {
  readonly email: string;
  readonly name: string;
  readonly password: string;
  /** Whether the operator confirms that the mailbox belongs to the user. */
  readonly verified: boolean;
  /** The name of the user's organization, which the password must not contain. */
  readonly organizationName?: string;
}

/**
 * Creates the account and runs `also` in the same transaction. Raises validation_failed, email_taken, and the errors of
 * `also`. An error undoes the whole transaction.
 */
export async function createAccount(
  deps: Omit<PasswordDeps, 'publish'>,
  input: NewAccount,
  also: (tx: SystemTx, userId: string) => Promise<void> = async () => undefined,
): Promise<Account> {
  const email = parseEmail(input.email);
  if (!email) throw invalid('email', 'must be one e-mail address such as ada@example.com');
  const { password, name, organizationName } = input;
  const context = organizationName === undefined ? {} : { organizationName };
  await deps.passwordPolicy.assertGood(password, { email: email.address, name, ...context });
  const taken = { detail: 'There is an account with this e-mail already.' };
  // This check runs before the expensive hash. The unique index makes the final decision.
  if (await findCredentials(deps.db.systemReader(), email.key)) throw problem('email_taken', taken);
  const passwordHash = await deps.passwords.hash(password);
  const id = newId(deps.random, deps.clock);
  await deps.db.system(async (tx) => {
    const inserted = await insertUser(tx, {
      ...{ id, email: email.address, emailKey: email.key, name, passwordHash },
      locale: null,
    });
    if (!inserted) throw problem('email_taken', taken);
    await endRegistrationsOf(tx, email.key);
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'user.created',
      organizationId: null,
      actorId: null,
      targetId: id,
    });
    if (input.verified) await proveMailbox(deps, tx, { userId: id, actorId: null });
    await also(tx, id);
  });
  return getAccount(deps, id);
}
