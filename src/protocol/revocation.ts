// The exceptions to self-contained tokens: what must stop working before it expires.

export type Revocation =
  | { readonly kind: 'session'; readonly sid: string }
  | { readonly kind: 'user'; readonly sub: string; readonly epoch: number }
  /** `at` is the instant of the change (ms since 1970, to the microsecond, by the database's clock): the later counts. */
  | {
      readonly kind: 'organization';
      readonly org: string;
      readonly state: 'active' | 'suspended';
      readonly at: number;
    };

/** What of a token decides whether it is revoked. */
export interface RevocableToken {
  readonly sessionId: string;
  readonly id: string;
  readonly epoch: number;
  readonly organizationId: string | null;
}

export type RevocationVerdict = 'session_revoked' | 'token_stale' | 'organization_suspended' | null;
