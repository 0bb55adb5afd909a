// The error table of the OAuth endpoints (RFC 6749 §5.2): they answer every refusal in that form, never as a problem.

interface OAuthErrorKind {
  readonly status: number;
  /** What the client should do next; of the characters that RFC 6749 §5.2 allows in error_description. */
  readonly description: string;
}

export const OAUTH_ERRORS = {
  invalid_request: {
    status: 400,
    description: 'The request lacks a parameter, repeats one, or has one of a wrong form.',
  },
  invalid_client: {
    status: 401,
    description:
      'Client authentication failed: check the client_id, the credential, and the method it is registered for.',
  },
  invalid_grant: {
    status: 400,
    description: 'This client cannot use the refresh token, or nobody can any more: let the user sign in again.',
  },
  unauthorized_client: { status: 400, description: 'This client may not use this grant_type.' },
  unsupported_grant_type: { status: 400, description: 'Use the grant_type client_credentials or refresh_token.' },
  invalid_scope: {
    status: 400,
    description: 'Name permissions such as deals:read, separated by single spaces, that the client holds.',
  },
  /** RFC 8707 §2. */
  invalid_target: {
    status: 400,
    description: 'The tokens of this client are for one audience: leave resource and audience out, or name that one.',
  },
  server_error: { status: 500, description: 'Something went wrong on our side: try again.' },
  /** "Temporary overloading or maintenance" (RFC 6749 §4.1.2.1): too many requests, or no database. */
  temporarily_unavailable: {
    status: 503,
    description: 'The request cannot be handled now: try again after the seconds in Retry-After.',
  },
} as const satisfies Record<string, OAuthErrorKind>;

export type OAuthErrorCode = keyof typeof OAUTH_ERRORS;

/** What is thrown for everything that an OAuth endpoint refuses by a rule of OAuth. */
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

/** Makes an OAuthError to throw. */
export function oauthError(code: OAuthErrorCode, description?: string): OAuthError {
  return new OAuthError(code, description);
}
