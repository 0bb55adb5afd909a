// Opens a session after any kind of proof, signs its tokens, and builds the answer that every sign-in returns.

import type { SystemReader, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Once } from '../../base/idempotency/once.ts';
import { newId, newTokenId } from '../../base/platform/random.ts';
import { type AccessTokenDeps, issueAccessToken } from '../../credentials/tokens/access.ts';
import { issueRefreshToken, type RefreshPlace, type RefreshTokenDeps } from '../../credentials/tokens/refresh.ts';
import { comparedText } from '../notices/known-device.ts';
import { insertSession, type OpenedSession } from './store.ts';
import type { Subject } from './subject-store.ts';

/** The dependencies for signing the tokens of a session. */
export interface SignInDeps extends AccessTokenDeps, RefreshTokenDeps {}

/** The dependencies for opening a session. */
export interface SessionDeps extends SignInDeps {
  readonly refreshTtlSeconds: number;
  readonly sessionMaxAgeSeconds: number;
}

/**
 * What is known about the device of a session. The list of sessions shows its user agent and its address to the user.
 */
export interface Device {
  readonly userAgent: string | null;
  readonly ip: string | null;
  /** The network of the address, such as 192.0.2.0/24. Only a keyed hash of it, together with the device, is stored. */
  readonly network: string;
  /** The SHA-256 of the key that a browser keeps for pages. Left out for every other device. */
  readonly browserKey?: Buffer;
}

/** The answer of every sign-in. Instants are in ISO 8601 format and in UTC. Durations are in seconds. */
export interface SignedIn {
  readonly accessToken: string;
  readonly tokenType: 'Bearer';
  readonly expiresIn: number;
  readonly expiresAt: string;
  /** Undefined with the cookie transport, and when the request renewed only the access token. */
  readonly refreshToken: string | undefined;
  readonly refreshExpiresAt: string;
  readonly sessionId: string;
  readonly user: { id: string; email: string; name: string; emailVerified: boolean };
  readonly organization: { id: string; name: string; slug: string } | null;
  readonly roles: readonly string[];
  readonly memberships: Subject['memberships'];
}

/**
 * Signs the answer of an operation. Only the API calls this, because pages give the browser no access token. Raises
 * NoSigningKey.
 */
export type SignAnswer<Answer = SignedIn> = () => Promise<Answer>;

/** The session that an operation has opened, or has not opened: `answer` and `refreshPlaceOf` raise the reason then. */
export interface Opened<Answer = SignedIn> {
  readonly pending: PendingSession;
  readonly answer: SignAnswer<Answer>;
}

export interface OpenSession {
  readonly userId: string;
  /** The id or slug of the organization to act for. With null, the first active membership decides. */
  readonly organization: string | null;
  readonly amr: readonly string[];
  readonly device: Device;
  /** When the checked password was set. If the password has changed since then, no session is opened. */
  readonly passwordChangedAt?: Date;
  /**
   * Requests a mail to the person if the account has not used the device before. Left out for the session with which an
   * account begins.
   */
  readonly tellsOfNewDevice?: boolean;
}

/**
 * A stored session whose tokens are not signed yet. They are signed when the transaction has ended, except by
 * `keepSession`.
 */
export interface PendingSession {
  readonly sessionId: string;
  readonly jti: string;
  readonly amr: readonly string[];
  readonly stored: OpenedSession;
}

/**
 * Raises NoSigningKey if a ring has no key that can sign. Call this before anything is written, because without a key
 * no answer is possible.
 */
export function assertCanSign(deps: SignInDeps): void {
  for (const ring of [deps.accessKeys, deps.refreshKeys]) ring.signingKeyAt(deps.clock.now());
}

/**
 * Stores the session if the user and the organization are active. Otherwise `answerSession` raises the error after the
 * commit. Raises invalid_credentials if the account or the password has changed since the check.
 */
export async function storeSession(deps: SessionDeps, tx: SystemReader, input: OpenSession): Promise<PendingSession> {
  assertCanSign(deps);
  const sessionId = newId(deps.random, deps.clock);
  const jti = newTokenId(deps.random);
  const stored = await insertSession(tx, {
    id: sessionId,
    userId: input.userId,
    organization: input.organization,
    amr: input.amr,
    userAgent: input.device.userAgent,
    ip: input.device.ip,
    refreshTtlSeconds: deps.refreshTtlSeconds,
    maxAgeSeconds: deps.sessionMaxAgeSeconds,
    confirmed: jti,
    eventId: newId(deps.random, deps.clock),
    passwordChangedAt: input.passwordChangedAt ?? null,
    browserKey: input.device.browserKey ?? null,
    device: comparedText(input.device),
    noticeId: input.tellsOfNewDevice ? newId(deps.random, deps.clock) : null,
  });
  if (!stored) throw problem('invalid_credentials'); // the account or the password has changed since the check
  return { sessionId, jti, amr: input.amr, stored };
}

/** The first refresh token of the session. If the session was not opened, raises the error that says why. */
export function refreshPlaceOf({ stored, sessionId, jti }: PendingSession): RefreshPlace {
  if (!stored.opened) throw refusal(stored);
  const { at: issuedAt, idleExpiresAt: expiresAt } = stored.opened;
  return { userId: stored.user.id, sessionId, jti, parent: jti, issuedAt, expiresAt };
}

/** Signs the tokens of the session. If the session was not opened, raises the error that says why. */
export async function answerSession(deps: SignInDeps, pending: PendingSession): Promise<SignedIn> {
  const { stored, sessionId, amr } = pending;
  const refreshToken = refreshPlaceOf(pending);
  return signIn(deps, stored, { sessionId, amr, authenticatedAt: refreshToken.issuedAt, refreshToken });
}

/**
 * Returns the function that signs the answer after the commit. If the answer is kept for a repeat of the request, it is
 * signed now, as an exception, because it must be written in the transaction. A session that was not opened is not
 * kept.
 */
export async function keepSession<Answer>(
  once: Once,
  tx: SystemTx,
  pending: PendingSession,
  answer: SignAnswer<Answer>,
): Promise<SignAnswer<Answer>> {
  if (!once.isKept || !pending.stored.opened) return answer;
  const kept = await once.keep(tx, await answer());
  return async () => kept;
}

/**
 * Returns the problem that says why a subject gets no token. Call this only for callers who have proven that they are
 * the user.
 */
export function refusal(subject: Subject) {
  if (subject.user.status !== 'active') return problem('account_disabled');
  if (!subject.organization?.memberActive) return problem('organization_access_denied');
  if (!subject.organization.active) return problem('organization_suspended');
  return problem('session_revoked'); // user and organization are active, so the session was ended at the same moment
}

export interface SessionFacts {
  readonly sessionId: string;
  readonly amr: readonly string[];
  readonly authenticatedAt: Date;
  /**
   * The refresh token to sign. If none is to be signed, only the expiry of the session's refresh token.
   */
  readonly refreshToken: RefreshPlace | { readonly expiresAt: Date };
}

/** Signs the tokens of a live session and builds the answer. Raises NoSigningKey. */
export async function signIn(deps: SignInDeps, subject: Subject, session: SessionFacts): Promise<SignedIn> {
  const acting = subject.organization?.memberActive && subject.organization.active ? subject.organization : null;
  const unscoped = acting ? subject.grants.filter((grant) => !grant.scoped) : [];
  const roles = [...new Set(unscoped.map((grant) => grant.name))];
  const [access, refreshToken] = await Promise.all([
    issueAccessToken(deps, {
      userId: subject.user.id,
      sessionId: session.sessionId,
      epoch: subject.user.epoch,
      authenticatedAt: Math.floor(session.authenticatedAt.getTime() / 1000),
      amr: session.amr,
      notAfter: session.refreshToken.expiresAt,
      organization: acting,
      roles,
      permissions: unscoped.flatMap((grant) => grant.permissions),
    }),
    'jti' in session.refreshToken ? issueRefreshToken(deps, session.refreshToken) : undefined,
  ]);
  const { id, email, name, emailVerified } = subject.user;
  return {
    accessToken: access.token,
    tokenType: 'Bearer',
    expiresIn: access.expiresIn,
    expiresAt: access.expiresAt.toISOString(),
    refreshToken,
    refreshExpiresAt: session.refreshToken.expiresAt.toISOString(),
    sessionId: session.sessionId,
    user: { id, email, name, emailVerified },
    organization: acting && { id: acting.id, name: acting.name, slug: acting.slug },
    roles,
    memberships: subject.memberships,
  };
}
