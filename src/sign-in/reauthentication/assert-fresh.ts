// The fresh proof that sensitive acts need: the current password in the request itself, or a session in which the user
// proved who they are a moment ago. The row of the session decides, because a token may be older than the last proof.
import { problem } from '../../base/errors/problem.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import type { Principal } from '../../protocol/caller.ts';
import { assertPassword, getOwnCredentials, type OwnPasswordDeps } from './own-password.ts';
import { isFresh } from './store.ts';

export const FRESH_SECONDS = 300;

/** RFC 9470 §3: the caller has to prove again who they are. */
const STEP_UP = `Bearer error="insufficient_user_authentication", error_description="More recent authentication is required", max_age=${FRESH_SECONDS}`;

export interface Proof {
  /** Left out when the request has no password. Then the session decides. */
  readonly currentPassword?: string | undefined;
  /** The network of the request. */
  readonly network: string;
}

/**
 * Resolves if the caller has just proven who they are. Raises reauthentication_required, or with a password in the
 * request wrong_password, password_not_set, too_many_requests or service_busy. Raises session_revoked for a session
 * that has ended. A service client never passes. This check runs before the transaction of the act. That transaction
 * checks by itself that the session is still live.
 */
export async function assertFresh(deps: OwnPasswordDeps, caller: Principal, proof: Proof): Promise<void> {
  if (caller.kind !== 'user') throw reauthenticationRequired();
  const { currentPassword: password, network } = proof;
  if (password !== undefined) {
    return assertPassword(deps, await getOwnCredentials(deps, caller), { password, network });
  }
  const fresh = await isFresh(deps.db.systemReader(), caller, FRESH_SECONDS);
  if (fresh === null) throw refusedToken('session_revoked');
  if (!fresh) throw reauthenticationRequired();
}

function reauthenticationRequired() {
  return problem('reauthentication_required', { headers: { 'www-authenticate': STEP_UP } });
}
