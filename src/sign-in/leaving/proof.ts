// The proof that the person who closes or exports an account is its user: the current password. Wrong passwords count
// in the throttle of signing in.
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Passwords } from '../../credentials/passwords/hashing.ts';
import { findEmailKey } from '../../directory/users/mailbox-store.ts';
import { findCredentials } from '../../directory/users/store.ts';
import type { LoginThrottle } from '../password/throttle.ts';

export interface ProofDeps {
  readonly db: Database;
  readonly passwords: Passwords;
  readonly throttle: LoginThrottle;
}

export interface Proof {
  readonly password: string;
  /** The network of the request. */
  readonly address: string;
}

/** Raises invalid_credentials, too_many_requests, service_busy, and session_revoked for a closed account. */
export async function assertPassword(deps: ProofDeps, userId: string, { password, address }: Proof): Promise<void> {
  const emailKey = await findEmailKey(deps.db.systemReader(), userId);
  if (emailKey === null) throw problem('session_revoked');
  deps.throttle.begin(emailKey, address);
  let matches = false;
  try {
    const found = await findCredentials(deps.db.systemReader(), emailKey);
    ({ matches } = await deps.passwords.verify(password, found?.hash ?? null));
  } catch (error) {
    deps.throttle.undecided(emailKey, address);
    throw error;
  }
  if (!matches) throw problem('invalid_credentials');
  deps.throttle.succeeded(emailKey, address);
}
