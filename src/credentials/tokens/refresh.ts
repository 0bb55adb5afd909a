// Refresh tokens. Each is a signed position in the chain of a session. They are not stored, because signing the same
// position again produces the same bytes. sign-in/sessions/refresh.ts decides which position may still be used.

import type { Clock } from '../../base/platform/clock.ts';
import { isRefreshClaims, REFRESH_TOKEN_TYPE, type RefreshClaims } from '../../protocol/claims.ts';
import type { RevocableToken } from '../../protocol/revocation.ts';
import type { KeyRing } from '../keys/ring.ts';
import { signClaims, verifySignature } from './signing.ts';

export interface RefreshTokenDeps {
  readonly refreshKeys: KeyRing;
  readonly clock: Clock;
  readonly issuer: string;
}

/** A position in the chain: user, session, this token and its parent, and two times of the database's clock. */
export interface RefreshPlace {
  readonly userId: string;
  readonly sessionId: string;
  readonly jti: string;
  readonly parent: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/**
 * Signs a position with the key that signed at `issuedAt`, so that signing it again produces the same bytes. Raises
 * NoSigningKey.
 */
export function issueRefreshToken(deps: RefreshTokenDeps, place: RefreshPlace): Promise<string> {
  const claims: RefreshClaims = {
    iss: deps.issuer,
    aud: deps.issuer,
    sub: place.userId,
    sid: place.sessionId,
    jti: place.jti,
    prt: place.parent,
    iat: Math.floor(place.issuedAt.getTime() / 1000),
    exp: Math.floor(place.expiresAt.getTime() / 1000),
  };
  return signClaims(signingKey(deps, place.issuedAt), REFRESH_TOKEN_TYPE, claims);
}

function signingKey(deps: RefreshTokenDeps, issuedAt: Date) {
  try {
    return deps.refreshKeys.signingKeyAt(issuedAt);
  } catch {
    // The key has been removed in the meantime, so the current key signs.
    return deps.refreshKeys.signingKeyAt(deps.clock.now());
  }
}

export interface VerifiedRefreshToken {
  readonly claims: RefreshClaims;
  /** The key that signed the token. */
  readonly kid: string;
  readonly expired: boolean;
}

/**
 * The claims of a good refresh token, expired or not; null for anything else. The session decides whether the token is
 * usable.
 */
export async function verifyRefreshToken(deps: RefreshTokenDeps, token: string): Promise<VerifiedRefreshToken | null> {
  const now = deps.clock.now();
  const verified = await verifySignature(deps.refreshKeys, REFRESH_TOKEN_TYPE, token, now);
  if (!verified || !isRefreshClaims(verified.payload)) return null;
  const claims = verified.payload as unknown as RefreshClaims;
  if (claims.iss !== deps.issuer || claims.aud !== deps.issuer) return null;
  return { claims, kid: verified.kid, expired: claims.exp <= now.getTime() / 1000 };
}

/**
 * The parts of a refresh token that decide whether it is revoked: its session, its signing key and the time of its
 * issue. No epoch makes it stale.
 */
export function revocableOf({ claims, kid }: Pick<VerifiedRefreshToken, 'claims' | 'kid'>): RevocableToken {
  const { sub: id, sid: sessionId, iat: issuedAt } = claims;
  return { id, sessionId, epoch: Number.MAX_SAFE_INTEGER, organizationId: null, issuedAt, keyId: kid };
}
