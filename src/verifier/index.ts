// `tenantry/verifier`: everything that users of the verifier may name.
export type { Caller, ClientCaller, Principal } from '../protocol/caller.ts';
export type { Revocation } from '../protocol/revocation.ts';
export type {
  KeySource,
  RevocationSource,
  VerificationCode,
  VerifiedPrincipal,
  Verifier,
} from './contract.ts';
export { VerificationError } from './error.ts';
export type { ClientCredentials, Fetch, OnStale, RevocationOptions, VerifierOptions } from './options.ts';
export { createVerifier } from './verifier.ts';
export { type Jwk, type VerifiedJws, verifyJws } from './verify-jws.ts';
