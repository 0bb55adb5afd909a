// Renews the time at which the user of a session last proved who they are, and issues an access token that says so. The
// refresh tokens of the session go on as before.
import type { SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { refusedToken } from '../../base/errors/refused-token.ts';
import { assertLive } from '../../directory/users/live-session.ts';
import type { Caller } from '../../protocol/caller.ts';
import { assertCanSign, type SignAnswer, type SignedIn, type SignInDeps, signIn } from '../sessions/open-session.ts';
import type { ChangedSession } from '../sessions/subject-store.ts';
import { assertPassword, getOwnCredentials, type OwnPasswordDeps, type TypedPassword } from './own-password.ts';
import { updateAuthenticated } from './store.ts';

export interface ReauthenticateDeps extends OwnPasswordDeps, SignInDeps {}

/**
 * Checks the password and renews the time of the proof. The answer has an access token for the organization of the
 * caller's token, and no refresh token. Raises wrong_password, password_not_set, password_changed, account_disabled,
 * too_many_requests, service_busy and session_revoked.
 */
export async function reauthenticate(
  deps: ReauthenticateDeps,
  caller: Caller,
  typed: TypedPassword,
): Promise<SignAnswer> {
  assertCanSign(deps);
  const own = await getOwnCredentials(deps, caller);
  await assertPassword(deps, own, typed);
  const renewed = await renewAuthentication(deps.db.systemReader(), caller, own.changedAt);
  return () => answerRenewed(deps, caller, renewed);
}

/** The session after the time of its proof has been set to now. */
export type RenewedSession = ChangedSession & { readonly session: NonNullable<ChangedSession['session']> };

/**
 * Sets the time of the proof to now, unless the password has been changed after `passwordChangedAt`. Pass null when the
 * transaction itself has just changed the password. Raises session_revoked, password_changed and account_disabled.
 */
export async function renewAuthentication(
  tx: SystemReader,
  caller: Caller,
  passwordChangedAt: Date | null,
): Promise<RenewedSession> {
  const renewed = await updateAuthenticated(tx, caller, passwordChangedAt);
  if (!renewed) throw refusedToken('session_revoked');
  assertLive(renewed);
  const { session } = renewed;
  if (!session) throw problem(renewed.subject.user.status === 'active' ? 'password_changed' : 'account_disabled');
  return { ...renewed, session };
}

/** Signs an access token for the renewed session. Raises NoSigningKey. */
export function answerRenewed(
  deps: SignInDeps,
  { sessionId }: Caller,
  { subject, session }: RenewedSession,
): Promise<SignedIn> {
  const { amr, authenticatedAt, idleExpiresAt } = session;
  return signIn(deps, subject, { sessionId, amr, authenticatedAt, refreshToken: { expiresAt: idleExpiresAt } });
}
