// Ends sessions: logout, and a user's own list.
import { problem } from '../errors.ts';
import type { Database } from '../platform/db.ts';
import type { Caller } from '../protocol/caller.ts';
import { type RefreshTokenDeps, verifyRefreshToken } from '../tokens/refresh.ts';
import type { Revocations } from './revocations.ts';
import { type EndedSession, markSessionsEnded } from './store.ts';

export interface EndSessionDeps extends RefreshTokenDeps {
  readonly db: Database;
  readonly revocations: Revocations;
}

/**
 * Ends the session of a refresh token, whichever of its chain and expired or not, and that of the caller. An unknown
 * token is no error, so that a logout can be repeated (RFC 7009 §2.2).
 */
export async function logout(
  deps: EndSessionDeps,
  caller: Pick<Caller, 'id' | 'sessionId'> | null,
  refreshToken: string | null,
): Promise<void> {
  const verified = refreshToken === null ? null : await verifyRefreshToken(deps, refreshToken);
  const targets = new Map<string, string>();
  if (verified) targets.set(verified.claims.sid, verified.claims.sub);
  if (caller) targets.set(caller.sessionId, caller.id);
  for (const [sessionId, userId] of targets) {
    const ended = await markSessionsEnded(deps.db.systemReader(), { userId, sessionId, reason: 'logout' });
    publishEnded(deps, ended);
  }
}

/** Ends one of the caller's own sessions. Raises not_found for any other, and for one that has ended. */
export async function endOwnSession(deps: EndSessionDeps, caller: Caller, sessionId: string): Promise<void> {
  const reader = deps.db.userReader(caller.id);
  const ended = await markSessionsEnded(reader, { userId: caller.id, sessionId, reason: 'ended_by_user' });
  publishEnded(deps, ended);
  if (!ended.some(({ live }) => live))
    throw problem('not_found', { detail: 'You have no such session: list your sessions first.' });
}

/** Ends all of the caller's sessions but the current one; gives how many. */
export async function endOtherSessions(deps: EndSessionDeps, caller: Caller): Promise<number> {
  const ended = await markSessionsEnded(deps.db.userReader(caller.id), {
    userId: caller.id,
    exceptId: caller.sessionId,
    reason: 'ended_by_user',
  });
  publishEnded(deps, ended);
  return ended.filter(({ live }) => live).length;
}

function publishEnded(deps: EndSessionDeps, ended: readonly EndedSession[]): void {
  for (const { id: sid } of ended) deps.revocations.publish({ kind: 'session', sid });
}
