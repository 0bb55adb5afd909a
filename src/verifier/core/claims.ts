// What must stand in an access token for this verifier to believe it (RFC 9068 §4), its signature apart.
import { type AccessClaims, type ClientClaims, isAccessClaims, isClientClaims } from '../../protocol/claims.ts';

/** What of the options decides about claims. */
export interface ClaimRules {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly toleranceSeconds: number;
  readonly lifeSecondsMax: number;
}

/** The instants between which a token may be used, in seconds since 1970, the tolerance included. */
export interface Window {
  readonly from: number;
  /** The first instant at which it may not. */
  readonly until: number;
}

export type Claims = AccessClaims | ClientClaims;

/** The claims of a payload of one of the two kinds, for this audience and of a credible life, or null. */
export function acceptableClaims(payload: Record<string, unknown>, rules: ClaimRules): Claims | null {
  // One text, never a list: a token for several audiences could be carried from one to another.
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

/** Of a token that the issuer has signed: in which way it is for another verifier than this one, or null. */
export function addressee({ iss, aud }: Record<string, unknown>, { issuer, audiences }: ClaimRules): string | null {
  const shown = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 200);
  if (iss !== issuer) return `its issuer is ${shown(iss)}, and this verifier's is ${shown(issuer)}`;
  if (audiences.includes(aud as string)) return null;
  return `its audience is ${shown(aud)}, and this verifier's ${shown(audiences)}`;
}
