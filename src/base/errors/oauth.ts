// The table of OAuth errors (RFC 6749 §5.2). OAuth endpoints send their refusals in this form, and not as problems.

interface OAuthErrorKind {
  readonly status: number;
  /** What is wrong, or what the client should do next, in characters that RFC 6749 §5.2 allows in error_description. */
  readonly description: string;
}

export const OAUTH_ERRORS = {
  invalid_request: {
    status: 400,
    description: 'A parameter is missing, repeated or malformed.',
  },
  invalid_client: {
    status: 401,
    description:
      'Client authentication failed: check the client_id, the credential, and the method it is registered for.',
  },
  invalid_grant: {
    status: 400,
    description:
      'This client cannot use the refresh token. Either its session does not act for the organization of the client, and the token still works elsewhere, or the token is no longer valid: then let the user sign in again.',
  },
  unauthorized_client: { status: 400, description: 'This client may not use this grant_type.' },
  unsupported_grant_type: { status: 400, description: 'Use the grant_type client_credentials or refresh_token.' },
  invalid_scope: {
    status: 400,
    description: 'Send permissions of this client, such as deals:read, separated by single spaces.',
  },
  /** This code is from RFC 8707 §2. */
  invalid_target: {
    status: 400,
    description:
      'The tokens of this client have a fixed audience: leave out resource and audience, or send that audience.',
  },
  server_error: { status: 500, description: 'The service failed: try again.' },
  /**
   * This code is for "temporary overloading or maintenance" (RFC 6749 §4.1.2.1). Causes are, for example, too many
   * requests and a database that cannot be reached.
   */
  temporarily_unavailable: {
    status: 503,
    description: 'The request cannot be handled now: try again after the seconds in Retry-After.',
  },
} as const satisfies Record<string, OAuthErrorKind>;

export type OAuthErrorCode = keyof typeof OAUTH_ERRORS;

/** A refusal of an OAuth endpoint by a rule of OAuth. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError';
  readonly code: OAuthErrorCode;
  readonly status: number;
  constructor(code: OAuthErrorCode, description: string = OAUTH_ERRORS[code].description, status?: number) {
    super(description);
    this.code = code;
    this.status = status ?? OAUTH_ERRORS[code].status;
  }
}

/** Returns an OAuthError for the caller to throw. */
export function oauthError(code: OAuthErrorCode, description?: string): OAuthError {
  return new OAuthError(code, description);
}
