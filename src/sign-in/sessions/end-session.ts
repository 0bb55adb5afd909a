// Ends sessions: when a user logs out, when a service client presents a token of the session, when a user ends sessions
// of their own list, and when all access of a user must end.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { type RefreshTokenDeps, verifyRefreshToken } from '../../credentials/tokens/refresh.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import { assertSessionLive } from '../../directory/users/live-session.ts';
import type { Caller } from '../../protocol/caller.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { assertNotInDoubt } from './authenticate.ts';
import {
  type EndedSessions,
  type EndSessions,
  isSessionMissing,
  lockSessions,
  markLostEnded,
  markSessionsEnded,
} from './ending-store.ts';

interface EndingDeps extends PublishDeps {
  readonly db: Database;
  readonly revocations: Revocations;
}

export interface EndSessionDeps extends RefreshTokenDeps, EndingDeps {}

export interface LogoutCaller extends Pick<Caller, 'id' | 'sessionId' | 'organizationId'> {
  /** Whether the access token is neither expired nor stale. */
  readonly isCurrent: boolean;
}

/**
 * Ends the session of a refresh token and the session of the caller. The refresh token may be expired, or older than
 * the newest token of the session. An unknown token is not an error, so that a logout can be repeated (RFC 7009 §2.2).
 *
 * A service of an organization may keep the access tokens that people send to it, even after the organization has
 * removed these people. So an access token that is expired or stale ends the session only while the session acts for
 * the organization of the token. Such a token cannot end a session in which its user now acts for another organization.
 */
export async function logout(
  deps: EndSessionDeps,
  caller: LogoutCaller | null,
  refreshToken: string | null,
): Promise<void> {
  const verified = refreshToken === null ? null : await verifyRefreshToken(deps, refreshToken);
  const targets = new Map<string, Pick<EndSessions, 'userId' | 'actingFor'>>();
  if (caller) {
    const { id: userId, organizationId, isCurrent } = caller;
    targets.set(caller.sessionId, { userId, actingFor: isCurrent ? null : (organizationId ?? NIL_ID) });
  }
  if (verified) targets.set(verified.claims.sid, { userId: verified.claims.sub });
  for (const [sessionId, whose] of targets) await endOne(deps, { ...whose, sessionId, reason: 'logout' });
}

/**
 * Ends one session. After a failover, the database may not have the session. Its tokens are revoked all the same,
 * because they would be good again once an operator accepts the database. With `actingFor`, nobody can tell any more
 * for which organization such a session acted: database_set_back says that nothing was ended.
 */
async function endOne(deps: EndingDeps, which: EndSessions & { readonly sessionId: string }): Promise<void> {
  const reader = deps.db.systemReader();
  const { revocations } = await publishing(deps, markSessionsEnded(reader, which));
  if (revocations.length > 0) return;
  // The failover may have happened a moment ago. A new reading notices it.
  await deps.revocations.synchronize();
  if (deps.revocations.doubtedBefore() === 0) return;
  const { userId, sessionId, reason, actorId = userId } = which;
  if (which.actingFor) {
    if (await isSessionMissing(reader, sessionId)) assertNotInDoubt(deps.revocations, 0);
    return;
  }
  await publishing(deps, markLostEnded(reader, { sessionId, reason, actorId }));
}

/**
 * Ends a session for a service client that presented a token of that session (RFC 7009 §2). With `actingFor` (the id of
 * an organization), the session ends only if it acts for that organization.
 */
export async function endSessionForClient(
  deps: EndingDeps,
  clientId: string,
  which: { readonly userId: string; readonly sessionId: string; readonly actingFor: string | null },
): Promise<void> {
  await endOne(deps, { ...which, reason: 'revoked_by_client', actorId: clientId });
}

/** Ends one of the caller's own sessions. Raises not_found for any other session, and for a session that has ended. */
export async function endOwnSession(deps: EndSessionDeps, caller: Caller, sessionId: string): Promise<void> {
  const { live } = await endOwn(deps, caller, { sessionId });
  if (live === 0) throw problem('not_found', { detail: 'You have no such session: list your sessions first.' });
}

/** Ends all of the caller's sessions except the current one. Returns the number of live sessions that this ended. */
export async function endOtherSessions(deps: EndSessionDeps, caller: Caller): Promise<number> {
  return (await endOwn(deps, caller, { exceptId: caller.sessionId })).live;
}

// In a user's scope, events can be written only for the user's own organizations. Suppose that a statement began before
// the user joined an organization and switched a session to it. That statement could see the switched session but not
// the membership. So an earlier statement locks the sessions.
function endOwn(
  deps: EndSessionDeps,
  caller: Caller,
  which: { readonly sessionId: string } | { readonly exceptId: string },
): Promise<EndedSessions> {
  const { id: userId } = caller;
  const commit = deps.db.user(userId, async (tx) => {
    await lockSessions(tx, userId);
    await assertSessionLive(tx, caller); // a session that has ended must not end the others
    return markSessionsEnded(tx, { userId, ...which, reason: 'ended_by_user' });
  });
  return publishing(deps, commit);
}

/**
 * Revokes all access tokens that a user has so far, and ends the sessions, or all but one, within the caller's
 * transaction. The caller publishes the revocations after the commit.
 */
export async function endAccess(
  tx: SystemTx,
  which: Pick<EndSessions, 'userId' | 'exceptId' | 'reason'>,
): Promise<readonly Revocation[]> {
  const raised = await raiseEpochs(tx, [which.userId]);
  await lockSessions(tx, which.userId);
  const { revocations } = await markSessionsEnded(tx, which);
  return [...raised, ...revocations];
}
