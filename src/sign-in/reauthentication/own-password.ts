// Checks the current password of a signed-in user. Wrong passwords count like failed sign-ins of the same account.
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import { countingKey } from '../../directory/users/email.ts';
import type { Caller } from '../../protocol/caller.ts';
import { countAttempt, type LoginThrottle } from '../password/throttle.ts';
import { findOwnCredentials, type OwnCredentials } from './store.ts';

export interface OwnPasswordDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  /** The throttle of the sign-in. */
  readonly throttle: LoginThrottle;
}

export interface TypedPassword {
  readonly password: string;
  /** The network of the request. Failures are counted by account and network. */
  readonly network: string;
}

/**
 * The account of the caller, with its password. Raises password_not_set. Raises session_revoked for a session that has
 * ended, so that nobody can guess passwords with it.
 */
export async function getOwnCredentials(
  { db }: Pick<OwnPasswordDeps, 'db'>,
  caller: Caller,
): Promise<OwnCredentials & { readonly hash: string }> {
  const own = await findOwnCredentials(db.systemReader(), caller);
  if (!own) throw refusedToken('session_revoked');
  const { hash } = own;
  if (hash === null) throw problem('password_not_set');
  return { ...own, hash };
}

/** Checks the typed password. Raises wrong_password, too_many_requests and service_busy. */
export async function assertPassword(
  { throttle, passwords }: OwnPasswordDeps,
  own: OwnCredentials & { readonly hash: string },
  { password, network }: TypedPassword,
): Promise<void> {
  const check = async () => (await passwords.verify(password, own.hash)).matches;
  if (!(await countAttempt(throttle, countingKey(own.email), network, check))) throw problem('wrong_password');
}
