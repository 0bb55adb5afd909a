// Exchanges a refresh token for a new pair of tokens. The statement in rotation-store.ts decides whether the token is
// valid. This file turns that verdict into tokens or a problem.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { newTokenId } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { revocableOf, type VerifiedRefreshToken, verifyRefreshToken } from '../../credentials/tokens/refresh.ts';
import { assertNotInDoubt, assertNotLost } from './authenticate.ts';
import { chooseOrganization } from './choose-organization.ts';
import { refusal, type SignedIn, type SignInDeps, signIn } from './open-session.ts';
import { rotateSession } from './rotation-store.ts';

export interface RefreshDeps extends SignInDeps, PublishDeps {
  readonly db: Database;
  readonly refreshTtlSeconds: number;
  readonly graceSeconds: number;
  readonly revocations: Revocations;
}

export interface Refresh {
  readonly refreshToken: string;
  /** The id or slug of the token's organization, or both. If the list is empty, the session's organization is used. */
  readonly organization: readonly string[];
  /** Whether the session acts for that organization from now on. switch-organization.ts sets this. */
  readonly remember?: boolean;
  /** The id of the organization for which the session must act. Left out: any organization. */
  readonly actingFor?: string;
  /** The id of the session to which the token must belong. Left out: any session. */
  readonly sessionId?: string;
  /** The network from which the token was sent. */
  readonly network: string;
  /** Runs `work`, which refreshes for the organization. Raises too_many_requests when a session refreshes too often. */
  readonly limitRefresh: <T>(sessionId: string, organization: readonly string[], work: () => Promise<T>) => Promise<T>;
}

/**
 * Exchanges a refresh token for a new pair of tokens (RFC 6749 §6, RFC 9700 §4.14.2). Raises invalid_refresh_token,
 * session_expired, session_revoked, refresh_token_reused, account_disabled, organization_access_denied,
 * organization_suspended, and bad_request for two different organizations.
 */
export async function refresh(deps: RefreshDeps, input: Refresh): Promise<SignedIn> {
  const token = await admitToken(deps, input);
  return input.limitRefresh(token.claims.sid, input.organization, () => exchange(deps, token, input));
}

/**
 * The first half of `refresh`. It verifies the token itself. Changes nothing. Raises invalid_refresh_token,
 * session_expired and database_set_back. The caller applies `limitRefresh`.
 */
export async function admitToken(
  deps: RefreshDeps,
  input: Pick<Refresh, 'refreshToken' | 'sessionId'>,
): Promise<VerifiedRefreshToken> {
  const verified = await verifyRefreshToken(deps, input.refreshToken);
  if (!verified) throw problem('invalid_refresh_token');
  if (input.sessionId !== undefined && verified.claims.sid !== input.sessionId) throw problem('invalid_refresh_token');
  if (verified.expired) throw problem('session_expired');
  assertNotInDoubt(deps.revocations, verified.claims.iat);
  return verified;
}

/** The second half of `refresh`. It exchanges the token in the database. Raises the problems of `refresh`. */
export async function exchange(
  deps: RefreshDeps,
  token: VerifiedRefreshToken,
  input: Pick<Refresh, 'organization' | 'remember' | 'actingFor' | 'network'>,
): Promise<SignedIn> {
  const { claims, kid } = token;
  const presented = {
    userId: claims.sub,
    sessionId: claims.sid,
    jti: claims.jti,
    parent: claims.prt,
    kid,
    child: newTokenId(deps.random),
    organization: await chooseOrganization(deps, claims.sub, input.organization),
    remember: input.remember ?? false,
    actingFor: input.actingFor ?? null,
    graceSeconds: deps.graceSeconds,
    refreshTtlSeconds: deps.refreshTtlSeconds,
    network: input.network,
  };
  const rotate = (isWhole: boolean) =>
    publishing(deps, rotateSession(deps.db.systemReader(), deps.random, { ...presented, isWhole }));
  let rotation = await rotate(false);
  if (rotation.verdict === 'suspected') {
    // A failover may have lost the record that the client has received newer tokens. Then the reuse does not prove a
    // theft.
    await assertNotLost(deps.revocations, rotation.beganAt);
    rotation = await rotate(true);
  }
  // The statement has committed. If the token was reused, the session has ended for both parties, even if this request
  // fails.
  switch (rotation.verdict) {
    case 'bad_key':
      throw problem('invalid_refresh_token');
    case 'unknown':
      await assertNotLost(deps.revocations, 0);
      throw problem('invalid_refresh_token');
    case 'expired':
      throw problem('session_expired');
    case 'suspected': // not after the second statement
    case 'revoked':
      throw problem('session_revoked');
    case 'reused':
      throw problem('refresh_token_reused');
    case 'refused':
      throw refusal(rotation.subject);
    case 'rotated':
      if (isKnownEnded(deps, token)) throw problem('session_revoked');
      assertNotInDoubt(deps.revocations, rotation.openedAt.getTime() / 1000);
      return signIn(deps, rotation.subject, {
        sessionId: claims.sid,
        amr: rotation.amr,
        authenticatedAt: rotation.authenticatedAt,
        refreshToken: { userId: claims.sub, sessionId: claims.sid, ...rotation.child },
      });
  }
}

/**
 * Whether this process knows that the session has ended, although the database did not know it a moment ago: it ended
 * meanwhile, or a failover has just lost the record of its end.
 */
function isKnownEnded({ revocations }: RefreshDeps, token: VerifiedRefreshToken): boolean {
  return revocations.judge(revocableOf(token)) === 'session_revoked';
}
