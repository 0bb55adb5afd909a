// What the verifier offers: the types that its users see. How it keeps to them is the other files' matter.
import type { KeyObject } from 'node:crypto';
import type { Principal } from '../../protocol/caller.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../../protocol/revocation.ts';

/** Why a token or a request is refused. */
export type VerificationCode =
  | 'unauthenticated' // no token was sent
  | 'invalid_token'
  | 'token_expired'
  | 'token_stale' // rights have changed: refresh and carry on
  | 'session_revoked'
  | 'organization_suspended'
  | 'permission_denied'
  | 'organization_required'
  | 'keys_unavailable' // no key is known, and none can be fetched
  | 'revocations_stale' // nothing can be said about revocations for now
  | 'check_unavailable'; // the check endpoint or introspection cannot be asked

/** Whom a token speaks for, with what it may do. Frozen. */
export type VerifiedPrincipal = Principal & {
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Whether the token itself grants it (wildcards count). False where `permissionsElsewhere` is true. */
  has(permission: string): boolean;
  /**
   * Raises VerificationError `permission_denied` unless the token itself grants it, `organization_required` when it acts
   * for no organization; where `permissionsElsewhere` is true, `check_unavailable`: use `await verifier.authorize(…)`.
   */
  require(permission: string): void;
};

/** Where the public keys come from. */
export interface KeySource {
  /** The key of a `kid`, from memory. A key that is not given any more verifies nothing any more. */
  find(kid: string): KeyObject | undefined;
  /**
   * Looks once more where keys come from, as far as that is allowed now. Raises VerificationError `keys_unavailable` when
   * nothing can be said about the key.
   */
  lookUp?(kid: string): Promise<KeyObject | undefined>;
  /** Resolves once keys are known. */
  ready?(): Promise<void>;
  close?(): void;
}

/** Where revocations come from. */
export interface RevocationSource {
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** Seconds since the source last knew everything; Infinity before the first time. */
  staleSeconds(): number;
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** The one organization whose revocations it tells of; null or left out: all. */
  organizationId?(): string | null;
  /** Resolves once everything is known for the first time. */
  ready?(): Promise<void>;
  close?(): void;
}

export interface Verifier {
  /**
   * The principal of an access token. Raises VerificationError. A token seen before costs a look-up; expiry and
   * revocation are judged every time.
   */
  verify(token: string): Promise<VerifiedPrincipal>;
  /** The same for the value of an Authorization header (RFC 6750 §2.1); undefined raises `unauthenticated`. */
  verifyHeader(authorization: string | undefined): Promise<VerifiedPrincipal>;
  /**
   * Raises VerificationError `permission_denied` unless the principal holds the permission; asks the check endpoint with
   * the principal's own token where the token was too small to say. A principal that `judge` would refuse is refused.
   */
  authorize(principal: VerifiedPrincipal, permission: string): Promise<void>;
  /** Judges a principal that was verified before: null, or why it must not go on. No I/O; staleness is not judged. */
  judge(principal: VerifiedPrincipal): VerificationCode | null;
  /** Called with each revocation as it becomes known; gives the function that ends it. */
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** Seconds since the feed last spoke; 0 without a feed, Infinity before it first did. */
  staleSeconds(): number;
  /** Resolves once keys, and with a feed its snapshot, are known. Raises VerificationError when that takes too long. */
  ready(timeoutSeconds?: number): Promise<void>;
  /** Ends the feed. Tokens can be verified no more. */
  close(): void;
}
