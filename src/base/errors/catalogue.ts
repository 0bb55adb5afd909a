// The problem table: every code that a caller can meet, with its status and title. docs/problems.md is generated from it.

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** What the caller should do next; the sentence sent when the place of the error has no better one. */
  readonly detail: string;
}

export const PROBLEMS = {
  // The request itself
  malformed_json: {
    status: 400,
    title: 'Malformed JSON',
    detail: 'The body is not valid JSON: send one JSON object in UTF-8.',
  },
  bad_request: {
    status: 400,
    title: 'Bad request',
    detail: 'The request cannot be understood: check its headers, path and length.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'Send the body as application/json.',
  },
  body_too_large: {
    status: 413,
    title: 'Body too large',
    detail: 'The body is larger than this endpoint accepts: send less.',
  },
  uri_too_long: {
    status: 414,
    title: 'URI too long',
    detail: 'The path or query is longer than the service accepts: send less.',
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    detail: 'The request headers are larger than the service accepts: send less.',
  },
  validation_failed: {
    status: 422,
    title: 'Validation failed',
    detail: 'Some values were refused: see issues for each of them.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    detail: 'There is nothing here that you may see: check the path and the id.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'This path takes other methods: see the Allow header.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    detail: 'Send the request without the Expect header.',
  },
  not_acceptable: {
    status: 406,
    title: 'Not acceptable',
    detail: 'None of the media types in the Accept header is offered here: leave it out, or see the reference.',
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    detail: 'The request did not arrive in time: send it again.',
  },
  too_many_requests: {
    status: 429,
    title: 'Too many requests',
    detail: 'Slow down: try again after the seconds in Retry-After.',
  },
  // Who is asking
  unauthenticated: {
    status: 401,
    title: 'Not signed in',
    detail: 'Send an access token: Authorization: Bearer <token>.',
  },
  invalid_token: {
    status: 401,
    title: 'Invalid access token',
    detail: 'The access token is not valid here: refresh it or sign in again.',
  },
  token_expired: { status: 401, title: 'Access token expired', detail: 'The access token has expired: refresh it.' },
  token_stale: {
    status: 401,
    title: 'Access token stale',
    detail: 'Your rights have changed since this token was issued: refresh it and carry on.',
  },
  session_revoked: { status: 401, title: 'Session ended', detail: 'This session was ended: sign in again.' },
  session_expired: { status: 401, title: 'Session expired', detail: 'This session has expired: sign in again.' },
  invalid_refresh_token: {
    status: 401,
    title: 'Invalid refresh token',
    detail: 'The refresh token is not valid here: sign in again.',
  },
  refresh_token_reused: {
    status: 401,
    title: 'Refresh token reused',
    detail: 'This refresh token was already replaced, so two parties hold it and the session was ended: sign in again.',
  },
  invalid_credentials: {
    status: 401,
    title: 'Wrong e-mail or password',
    detail: 'The e-mail and the password do not belong together: check both.',
  },
  account_disabled: {
    status: 403,
    title: 'Account disabled',
    detail: 'This account is disabled: ask an administrator.',
  },
  cross_site_request: {
    status: 403,
    title: 'Cross-site request',
    detail:
      'The cookie is only honoured for origins on the allow-list: call from one of them, or send the token in the body.',
  },
  permission_denied: {
    status: 403,
    title: 'Permission denied',
    detail: 'You lack the permission for this in the current organization: ask an administrator for it.',
  },
  organization_required: {
    status: 403,
    title: 'No organization',
    detail: 'This needs an organization: switch to one of yours first.',
  },
  user_required: {
    status: 403,
    title: 'For users only',
    detail: 'Service clients cannot do this: sign in as a user.',
  },
  client_required: {
    status: 403,
    title: 'For service clients only',
    detail: 'Users cannot do this: use the token of a service client.',
  },
  organization_access_denied: {
    status: 403,
    title: 'No access to the organization',
    detail: 'You are not an active member of this organization: choose one of your own.',
  },
  organization_suspended: {
    status: 403,
    title: 'Organization suspended',
    detail: 'This organization is suspended: choose another one or ask its owner.',
  },
  tenant_mismatch: {
    status: 403,
    title: 'Other organization',
    detail:
      'The header names another organization than the token acts for: leave it out, or switch organization first.',
  },
  grant_exceeds_own: {
    status: 403,
    title: 'More than you hold',
    detail: 'This would give a permission that you lack or a level above your own: ask somebody who holds it.',
  },
  member_outranks_you: {
    status: 403,
    title: 'Member of a higher level',
    detail: 'This member has a level above your own: ask somebody of at least that level.',
  },
  invitation_for_another: {
    status: 403,
    title: 'Invitation for another e-mail',
    detail: 'This invitation is for another e-mail than the one you are signed in with: sign in with that one.',
  },
  registration_closed: {
    status: 403,
    title: 'Registration closed',
    detail: 'Accounts are made by invitation only here: ask an administrator for one.',
  },
  // State
  email_taken: {
    status: 409,
    title: 'E-mail taken',
    detail: 'There is an account with this e-mail already: sign in instead.',
  },
  slug_taken: {
    status: 409,
    title: 'Slug taken',
    detail: 'There is an organization with this slug already: choose another.',
  },
  role_name_taken: {
    status: 409,
    title: 'Role name taken',
    detail: 'There is a role of this name already, your own or a system one: choose another.',
  },
  role_in_use: {
    status: 409,
    title: 'Role in use',
    detail: 'Members or pending invitations hold this role: take it from them first.',
  },
  role_limit: {
    status: 409,
    title: 'Too many roles',
    detail: 'An organization has at most 200 roles of its own: delete one first.',
  },
  last_owner: {
    status: 409,
    title: 'Last owner',
    detail: 'An organization keeps at least one active owner: make somebody else an owner first.',
  },
  already_member: {
    status: 409,
    title: 'Already a member',
    detail: 'This e-mail belongs to a member of the organization already: change the member instead.',
  },
  team_member_limit: {
    status: 409,
    title: 'Team is full',
    detail: 'The subscription allows no further member or pending invitation: raise the limit, or remove one.',
  },
  organization_limit: {
    status: 409,
    title: 'Too many organizations',
    detail: 'You own as many organizations as one account may: delete one, or ask the operator for a higher limit.',
  },
  client_limit: {
    status: 409,
    title: 'Too many service clients',
    detail: 'An organization has at most 100 service clients: delete one first.',
  },
  client_secret_limit: {
    status: 409,
    title: 'Too many secrets',
    detail: 'Ten secrets of this service client work already: end the former ones first.',
  },
  client_without_secret: {
    status: 409,
    title: 'Service client without a secret',
    detail: 'This service client signs assertions and has no secret: replace its keys instead.',
  },
  invitation_invalid: {
    status: 410,
    title: 'Invitation not valid',
    detail: 'This invitation cannot be used, or not any more: ask for a new one.',
  },
  // The service
  service_busy: {
    status: 503,
    title: 'Service busy',
    detail: 'Too much is waiting already: try again after the seconds in Retry-After.',
  },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    detail: 'The database cannot be asked now: try again after the seconds in Retry-After.',
  },
  revocations_stale: {
    status: 503,
    title: 'Revocations not known',
    detail: 'Nobody can tell now who was signed out meanwhile: try again after the seconds in Retry-After.',
  },
  signing_unavailable: {
    status: 503,
    title: 'No signing key',
    detail: 'There is no usable signing key now: try again after the seconds in Retry-After.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    detail: 'Something went wrong on our side: try again, and report the request id if it stays.',
  },
} as const satisfies Record<string, ProblemKind>;
