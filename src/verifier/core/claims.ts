// The claims that an access token must have for this verifier (RFC 9068 §4).
import { type AccessClaims, type ClientClaims, isAccessClaims, isClientClaims } from '../../protocol/claims.ts';

/** The options that decide about claims. */
export interface ClaimRules {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly toleranceSeconds: number;
  readonly lifeSecondsMax: number;
}

/** The times between which a token may be used, in seconds since 1970, with the tolerance. */
export interface Window {
  readonly from: number;
  /** The first second at which the token may no longer be used. */
  readonly until: number;
}

export type Claims = AccessClaims | ClientClaims;

/**
 * The claims of a payload. Null if the payload lacks the shape of a token, has another issuer or audience, or has a
 * life that is not allowed.
 */
export function acceptableClaims(payload: Record<string, unknown>, rules: ClaimRules): Claims | null {
  // `aud` is one text, never a list: with a list, one audience could use the token at another audience.
  if (payload.iss !== rules.issuer || !rules.audiences.includes(payload.aud as string)) return null;
  if (!(payload.client_id === payload.sub ? isClientClaims(payload) : isAccessClaims(payload))) return null;
  if (payload.nbf !== undefined && !Number.isSafeInteger(payload.nbf)) return null;
  const claims = payload as unknown as Claims;
  if (claims.exp <= claims.iat || claims.exp - claims.iat > rules.lifeSecondsMax) return null;
  return claims;
}

/** When a token may be used: from its `iat` and `nbf` to its `exp`, each with the tolerance. */
export function windowOf(claims: Claims & { readonly nbf?: number }, toleranceSeconds: number): Window {
  return {
    from: Math.max(claims.iat, claims.nbf ?? 0) - toleranceSeconds,
    until: claims.exp + toleranceSeconds,
  };
}

/** Why a token with a good signature is for another verifier, or null if the token is for this verifier. */
export function addressee({ iss, aud }: Record<string, unknown>, { issuer, audiences }: ClaimRules): string | null {
  const shown = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 200);
  if (iss !== issuer) return `its issuer is ${shown(iss)}, and this verifier's is ${shown(issuer)}`;
  if (audiences.includes(aud as string)) return null;
  return `its audience is ${shown(aud)}, and this verifier's ${shown(audiences)}`;
}
