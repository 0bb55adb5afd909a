// The check that the session of a caller has not ended, in the transaction of the caller's change. The guard has checked
// the token against the revocations that this process knows, and this process may learn of a logout elsewhere a second
// later.
import type { SystemTx, UserTx } from '../../base/database/db.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import type { Caller } from '../../protocol/caller.ts';
import { lockSession } from './session-store.ts';

/** The user and the session of a caller. */
export type SessionOwner = Pick<Caller, 'id' | 'sessionId'>;

/** Raises session_revoked, in the same form as the guard, unless the session is live. */
export function assertLive(live: boolean): void {
  if (!live) throw refusedToken('session_revoked');
}

/**
 * Raises session_revoked unless the session of the caller is live, and keeps it live until the transaction ends. In the
 * scope of an organization, lockAndAuthorize (rights/) checks the same.
 */
export async function assertSessionLive(tx: UserTx | SystemTx, { id, sessionId }: SessionOwner): Promise<void> {
  assertLive(await lockSession(tx, id, sessionId));
}
