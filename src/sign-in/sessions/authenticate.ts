// Finds the caller by the Authorization header. Every route of the API for signed-in callers uses this guard, and pages
// use the one of ../browser/. This guard does no I/O, except when this process has not run for a while.
import { problem } from '../../base/errors/problem.ts';
import { CHALLENGE, refusedToken } from '../../base/errors/refused-token.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { type AccessTokenDeps, type VerifiedAccessToken, verifyAccessToken } from '../../credentials/tokens/access.ts';
import type { VerifiedCache } from '../../credentials/tokens/verified-cache.ts';
import { bearerToken } from '../../protocol/bearer.ts';
import type { Principal } from '../../protocol/caller.ts';

export interface AuthenticateDeps extends Omit<AccessTokenDeps, 'random'> {
  readonly clock: Clock;
  readonly verified: VerifiedCache<VerifiedAccessToken>;
  readonly revocations: Revocations;
}

/**
 * Returns the caller of a request. Raises unauthenticated, invalid_token, token_expired, session_revoked and
 * token_stale. Also raises organization_suspended, unless `alsoSuspended` is set, and clock_skewed, revocations_stale
 * and database_set_back while the token cannot be judged.
 */
export async function authenticate(
  deps: AuthenticateDeps,
  authorization: string | undefined,
  { alsoSuspended }: { readonly alsoSuspended: boolean },
): Promise<Principal> {
  if (authorization === undefined) throw problem('unauthenticated', { headers: { 'www-authenticate': 'Bearer' } });
  const token = bearerToken(authorization);
  if (token === null) throw refusedToken('invalid_token');
  const verified = deps.verified.get(token) ?? (await verifyAndRemember(deps, token));
  if (!verified) throw refusedToken('invalid_token');
  if (verified.expiresAt <= deps.clock.now().getTime() / 1000) {
    deps.verified.delete(token);
    throw refusedToken('token_expired');
  }
  if (!deps.revocations.isCurrent()) await deps.revocations.untilCurrent();
  const verdict = deps.revocations.judge(verified.caller);
  if (verdict === 'organization_suspended') {
    if (!alsoSuspended) throw organizationSuspended();
  } else if (verdict) throw refusedToken(verdict);
  assertNotInDoubt(deps.revocations, startOf(verified.caller));
  return verified.caller;
}

/**
 * When the user of a session last proved who they are, or when the token of a service client was issued, in seconds
 * since 1970. In a session from before a failover nobody can prove again who they are until the doubt is over. A
 * process that had not yet noticed a failover may have refreshed a session from before the failover, so the age of a
 * user's token proves nothing.
 */
function startOf(caller: Principal): number {
  return caller.kind === 'user' ? caller.authenticatedAt : caller.issuedAt;
}

/**
 * Raises database_set_back for a session, or the token of a service client, that began before the second
 * `doubtedBefore`, because a change that the database has lost may have ended it. The client must keep its tokens.
 */
export function assertNotInDoubt(revocations: Pick<Revocations, 'doubtedBefore'>, beganAt: number): void {
  if (beganAt < revocations.doubtedBefore()) throw problem('database_set_back', { retryAfterSeconds: 30 });
}

/**
 * For a token of this service whose session or client the database does not have: a failover may have lost the row a
 * moment ago. So this function reads PostgreSQL once more before it does the same as assertNotInDoubt. Raises
 * DatabaseUnavailable, too.
 */
export async function assertNotLost(
  revocations: Pick<Revocations, 'doubtedBefore' | 'synchronize'>,
  beganAt: number,
): Promise<void> {
  await revocations.synchronize();
  assertNotInDoubt(revocations, beganAt);
}

/** The principal of a token, and whether the token is neither expired nor revoked. */
export interface Identified {
  readonly principal: Principal;
  readonly isCurrent: boolean;
}

/**
 * The principal of a request's token, even of an expired or revoked token. Null for a token that this service did not
 * sign. Raises revocations_stale when this process cannot judge a token that has not expired.
 */
export async function identify(deps: AuthenticateDeps, authorization: string): Promise<Identified | null> {
  const token = bearerToken(authorization);
  const verified = token === null ? null : await verifyAccessToken(deps, token);
  if (!verified) return null;
  const { caller: principal, expiresAt } = verified;
  if (expiresAt <= deps.clock.now().getTime() / 1000) return { principal, isCurrent: false };
  if (!deps.revocations.isCurrent()) await deps.revocations.untilCurrent();
  const verdict = deps.revocations.judge(principal);
  return { principal, isCurrent: verdict === null || verdict === 'organization_suspended' };
}

async function verifyAndRemember(deps: AuthenticateDeps, token: string): Promise<VerifiedAccessToken | null> {
  const { version } = deps.accessKeys;
  const verified = await verifyAccessToken(deps, token);
  // While the token was verified, its key may have been removed, and the tokens of that key may have been dropped from
  // the cache.
  if (verified && deps.accessKeys.version === version) deps.verified.set(token, verified);
  return verified;
}

function organizationSuspended() {
  return problem('organization_suspended', { ...CHALLENGE, status: 401 });
}
