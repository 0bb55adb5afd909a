// Makes a session act for another organization of its user. The session keeps its id.
import { refusedToken } from '../../base/errors/refused-token.ts';
import { assertLive } from '../../directory/users/live-session.ts';
import type { Caller } from '../../protocol/caller.ts';
import { refusal, type SignAnswer, signIn } from './open-session.ts';
import { type Refresh, type RefreshDeps, refresh } from './refresh.ts';
import { updateSessionOrganization } from './store.ts';

export interface SwitchOrganization extends Pick<Refresh, 'limitRefresh' | 'network'> {
  /** The id or slug of the organization. */
  readonly organization: string;
  /** The session's refresh token if the caller wants it exchanged, otherwise null. */
  readonly refreshToken: string | null;
}

/**
 * Makes the session act for the other organization. The answer has an access token for it, and a refresh token only if
 * the request sent one, because an access token lives for minutes, and must not become a credential that lives for
 * weeks. Raises
 * organization_access_denied, organization_suspended, session_revoked, account_disabled, and the errors of `refresh`.
 */
export async function switchOrganization(
  deps: RefreshDeps,
  caller: Caller,
  input: SwitchOrganization,
): Promise<SignAnswer> {
  const { organization, refreshToken, ...request } = input;
  if (refreshToken !== null) {
    const { sessionId } = caller;
    const asked = { refreshToken, organization: [organization], remember: true, sessionId, ...request };
    const signed = await refresh(deps, asked);
    return async () => signed;
  }
  const switched = await updateSessionOrganization(deps.db.systemReader(), caller, organization);
  if (!switched) throw refusedToken('session_revoked');
  assertLive(switched);
  const { subject, session } = switched;
  if (!session) throw refusal(subject);
  const { sessionId } = caller;
  const { amr, authenticatedAt, idleExpiresAt } = session;
  return () => signIn(deps, subject, { sessionId, amr, authenticatedAt, refreshToken: { expiresAt: idleExpiresAt } });
}
