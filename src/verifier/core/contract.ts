// The public types of the verifier.
import type { KeyObject } from 'node:crypto';
import type { Principal } from '../../protocol/caller.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../../protocol/revocation.ts';

/** Why a token or a request is refused. */
export type VerificationCode =
  | 'unauthenticated' // no token was sent, or no principal is known
  | 'invalid_token'
  | 'token_expired'
  | 'token_stale' // rights have changed: refresh the token and repeat the request
  | 'session_revoked'
  | 'organization_suspended'
  | 'permission_denied'
  | 'organization_required'
  | 'keys_unavailable' // the key of the token is not known, and the keys cannot be fetched
  | 'revocations_stale' // the known revocations are out of date
  | 'check_unavailable'; // the check endpoint gave no usable answer, or has not been asked yet

/** The user or service client of a token, with its permissions. The object is frozen. */
export type VerifiedPrincipal = Principal & {
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** Whether the token itself grants the permission (wildcards count). False if `permissionsElsewhere` is true. */
  has(permission: string): boolean;
  /**
   * Raises VerificationError unless the token itself grants the permission: `permission_denied`,
   * `organization_required` if the token acts for no organization, or `check_unavailable` if `permissionsElsewhere` is
   * true. In the last case, use `await verifier.authorize(…)`.
   */
  require(permission: string): void;
};

/** Where the public keys come from. */
export interface KeySource {
  /** The key of a `kid`, from memory. Once a key is no longer returned, tokens that it signed are refused. */
  find(kid: string): KeyObject | undefined;
  /**
   * Fetches the keys again, if the rate limit allows it, and returns the key of a `kid`. Raises VerificationError
   * `keys_unavailable` if the keys cannot be fetched.
   */
  lookUp?(kid: string): Promise<KeyObject | undefined>;
  /** Lifts the rate limit for one fetch. A key has been revoked, so the next token may name a key that is new. */
  expectNew?(): void;
  /** Resolves once keys are known. */
  ready?(): Promise<void>;
  close?(): void;
}

/** Where revocations come from. */
export interface RevocationSource {
  /** Returns why a token must be refused, or null if no known revocation concerns it. */
  judge(token: RevocableToken): RevocationVerdict;
  /**
   * Whether the signing key with this `kid` has been revoked. Its tokens are refused without a look at their signature.
   */
  isKeyRevoked?(kid: string): boolean;
  /** Seconds since the source last knew every revocation; Infinity before the first time. */
  staleSeconds(): number;
  /**
   * False from the end of a pause of this process until everything is known that was revoked during the pause. Absent
   * for a source that misses nothing in a pause.
   */
  isCurrent?(): boolean;
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** The one organization whose revocations the source has; null or absent for all organizations. */
  organizationId?(): string | null;
  /** Resolves once every revocation is known for the first time. */
  ready?(): Promise<void>;
  close?(): void;
}

export interface Verifier {
  /**
   * The principal of an access token. Raises VerificationError if the token is refused. The signature of a token that
   * is still in the cache is not checked again. Expiry and revocation are judged every time.
   */
  verify(token: string): Promise<VerifiedPrincipal>;
  /** The principal for the value of an Authorization header (RFC 6750 §2.1). Undefined raises `unauthenticated`. */
  verifyHeader(authorization: string | undefined): Promise<VerifiedPrincipal>;
  /**
   * Raises VerificationError unless the principal has the permission: `permission_denied`, or `organization_required`
   * if the token acts for no organization. If `permissionsElsewhere` is true, the verifier calls the check endpoint
   * with the principal's own token. Refuses a principal that `judge` refuses. While `isCurrent` is false, `onStale`
   * decides first.
   */
  authorize(principal: VerifiedPrincipal, permission: string): Promise<void>;
  /**
   * Judges a principal that was verified before. Returns null, or the reason why it is refused. Needs no I/O. Staleness
   * is not judged.
   */
  judge(principal: VerifiedPrincipal): VerificationCode | null;
  /** Calls the listener with each revocation as it becomes known. Returns the function that removes the listener. */
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /**
   * Seconds since the last complete snapshot or heartbeat of the feed; 0 without a feed. Infinity before the first of
   * them, after a pause until everything is known again, and while the clocks of service and verifier are too far
   * apart.
   */
  staleSeconds(): number;
  /**
   * False from the end of a pause of this process (it was stopped, or its machine was suspended) until everything is
   * known that was revoked during the pause. Until then, `judge` and `onRevocation` may miss a revocation. Needs no
   * I/O.
   */
  isCurrent(): boolean;
  /**
   * Resolves once keys and, with a feed, all revocations are known. Raises VerificationError if that takes too long.
   */
  ready(timeoutSeconds?: number): Promise<void>;
  /** Ends the feed. No token can be verified after this. */
  close(): void;
}
