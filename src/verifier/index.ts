// `tenantry/verifier`: the public exports of the verifier.
export type { Caller, ClientCaller, Principal } from '../protocol/caller.ts';
export type { Revocation } from '../protocol/revocation.ts';
export type {
  KeySource,
  RevocationSource,
  VerificationCode,
  VerifiedPrincipal,
  Verifier,
} from './core/contract.ts';
export { VerificationError } from './core/error.ts';
export type { ClientCredentials, Fetch, OnStale, RevocationOptions, VerifierOptions } from './core/options.ts';
export { createVerifier } from './core/verifier.ts';
export { type Jwk, type VerifiedJws, verifyJws } from './keys/verify-jws.ts';
