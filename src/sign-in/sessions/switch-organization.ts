// Makes a session act for another organization of its user. The session keeps its id.
import { refusedToken } from '../../base/errors/refused-token.ts';
import { assertLive } from '../../directory/users/live-session.ts';
import type { Caller } from '../../protocol/caller.ts';
import { refusal, type SignedIn, signIn } from './open-session.ts';
import { type Refresh, type RefreshDeps, refresh } from './refresh.ts';
import { updateSessionOrganization } from './store.ts';

export interface SwitchOrganization extends Pick<Refresh, 'limitRefresh' | 'network'> {
  /** The id or slug of the organization. */
  readonly organization: string;
  /** The session's refresh token if the caller wants it exchanged, otherwise null. */
  readonly refreshToken: string | null;
}

/**
 * Returns a token for the other organization. A refresh token is returned only if the request sent one, because an
 * access token lives for minutes, and must not become a credential that lives for weeks. Raises
 * organization_access_denied, organization_suspended, session_revoked, account_disabled, and the errors of `refresh`.
 */
export async function switchOrganization(
  deps: RefreshDeps,
  caller: Caller,
  input: SwitchOrganization,
): Promise<SignedIn> {
  const { organization, refreshToken, ...request } = input;
  if (refreshToken !== null) {
    const { sessionId } = caller;
    return refresh(deps, { refreshToken, organization: [organization], remember: true, sessionId, ...request });
  }
  const switched = await updateSessionOrganization(deps.db.systemReader(), caller, organization);
  if (!switched) throw refusedToken('session_revoked');
  assertLive(switched);
  if (!switched.session) throw refusal(switched.subject);
  return signIn(deps, switched.subject, {
    sessionId: caller.sessionId,
    amr: switched.session.amr,
    authenticatedAt: switched.session.authenticatedAt,
    refreshToken: { expiresAt: switched.session.idleExpiresAt },
  });
}
