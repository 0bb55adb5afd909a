// The check that the session of a caller has not ended, in the transaction of the caller's change. The guard has
// checked the token against the revocations that this process knows, and this process may learn of a logout elsewhere a
// second later.
import type { SystemTx, UserTx } from '../../base/database/db.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import { type FoundSession, lockSession, type SessionOwner } from './session-store.ts';

export type { FoundSession, SessionOwner } from './session-store.ts';

/**
 * Raises invalid_token for a revoked key, and session_revoked unless the session is live, both in the same form as the
 * guard.
 */
export function assertLive({ live, keyRevoked }: FoundSession): void {
  if (keyRevoked) throw refusedToken('invalid_token');
  if (!live) throw refusedToken('session_revoked');
}

/**
 * Raises invalid_token if the key of the caller's token was revoked, and session_revoked unless the session of the
 * caller is live. Keeps the session live until the transaction ends. In the scope of an organization, lockAndAuthorize
 * (rights/) checks the same.
 */
export async function assertSessionLive(tx: UserTx | SystemTx, caller: SessionOwner): Promise<void> {
  assertLive(await lockSession(tx, caller));
}
