// The table of problems. It has every code of a problem, with its status, title and default sentence. The errors of
// OAuth are in oauth.ts. docs/problems.md is generated from the table.

import { ACCOUNT_PROBLEMS } from './account-problems.ts';
import { MAILBOX_PROBLEMS } from './mailbox-problems.ts';
import { REQUEST_PROBLEMS } from './request-problems.ts';
import { type ProblemKind, SERVICE_PROBLEMS } from './service-problems.ts';

export const PROBLEMS = {
  ...REQUEST_PROBLEMS,
  // Caller
  unauthenticated: {
    status: 401,
    title: 'Not signed in',
    detail: 'Send an access token: Authorization: Bearer <token>.',
  },
  invalid_token: {
    status: 401,
    title: 'Invalid access token',
    detail: 'The access token is not valid for this service: refresh it or sign in again.',
  },
  token_expired: { status: 401, title: 'Access token expired', detail: 'The access token has expired: refresh it.' },
  token_stale: {
    status: 401,
    title: 'Access token stale',
    detail: 'Your account or your permissions have changed since this token was issued: get a new token and try again.',
  },
  session_revoked: { status: 401, title: 'Session ended', detail: 'This session was ended: sign in again.' },
  session_expired: { status: 401, title: 'Session expired', detail: 'This session has expired: sign in again.' },
  invalid_refresh_token: {
    status: 401,
    title: 'Invalid refresh token',
    detail: 'The refresh token is not valid for this service: sign in again.',
  },
  refresh_token_reused: {
    status: 401,
    title: 'Refresh token reused',
    detail:
      'This refresh token was already replaced, so two parties may have it, and the session was ended: sign in again.',
  },
  invalid_credentials: {
    status: 401,
    title: 'Wrong e-mail or password',
    detail: 'The e-mail and the password do not belong together: check both.',
  },
  account_disabled: {
    status: 403,
    title: 'Account disabled',
    detail: 'This account is disabled: ask the operator of the service.',
  },
  cross_site_request: {
    status: 403,
    title: 'Cross-site request',
    detail:
      'The cookie is only accepted from origins in CORS_ORIGINS: call from one of them, or send the token in the body.',
  },
  form_expired: {
    status: 403,
    title: 'Form expired',
    detail: 'The form was made for another session or browser, and nothing was changed: open the page again.',
  },
  permission_denied: {
    status: 403,
    title: 'Permission denied',
    detail: 'You do not have the permission for this in the current organization: ask an administrator for it.',
  },
  organization_required: {
    status: 403,
    title: 'No organization',
    detail: 'This request needs an organization: switch to one of yours first.',
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
    detail:
      'This organization is suspended: choose another one, or ask its owner, or the operator if you are the owner.',
  },
  tenant_mismatch: {
    status: 403,
    title: 'Other organization',
    detail:
      'The header names an organization, but the token acts for another one: leave the header out, or switch the organization first.',
  },
  grant_exceeds_own: {
    status: 403,
    title: 'More rights than your own',
    detail: 'This would grant a permission that you do not have, or a level above your own: ask a member who has it.',
  },
  member_outranks_you: {
    status: 403,
    title: 'Member of a higher level',
    detail: 'This member has a level above your own: ask a member with at least that level.',
  },
  invitation_for_another: {
    status: 403,
    title: 'Invitation for another e-mail',
    detail: 'This invitation is for an e-mail other than that of your account: sign in with the invited e-mail.',
  },
  registration_closed: {
    status: 403,
    title: 'Registration closed',
    detail: 'A new account needs an invitation: ask an administrator for one.',
  },
  precondition_failed: {
    status: 412,
    title: 'Changed meanwhile',
    detail: 'The state is not the one that If-Match names, and nothing was changed: read it again and decide again.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'Idempotency key reused',
    detail:
      'This Idempotency-Key belongs to another request: send the same request as before, or make a new key for this one.',
  },
  idempotency_key_in_use: {
    status: 409,
    title: 'Idempotency key in use',
    detail:
      'A request with this Idempotency-Key is running: send it again after the seconds in Retry-After to get its answer.',
  },
  idempotency_answer_lost: {
    status: 409,
    title: 'Answer lost',
    detail:
      'The request with this Idempotency-Key was done, but its answer can no longer be opened: look at what exists now.',
  },
  // State
  email_taken: {
    status: 409,
    title: 'E-mail taken',
    detail:
      'An account has this e-mail, or can still take it back: sign in, open the link in the mail about its change, or use another e-mail.',
  },
  slug_taken: {
    status: 409,
    title: 'Slug taken',
    detail: 'An organization with this slug already exists: choose another slug.',
  },
  role_name_taken: {
    status: 409,
    title: 'Role name taken',
    detail: 'A role or system role with this name already exists: choose another name.',
  },
  role_in_use: {
    status: 409,
    title: 'Role in use',
    detail: 'Members or pending invitations have this role: remove it from them first.',
  },
  role_limit: {
    status: 409,
    title: 'Too many roles',
    detail: 'An organization has at most 200 roles of its own: delete one first.',
  },
  last_owner: {
    status: 409,
    title: 'Last owner',
    detail: 'An organization must have at least one active owner: make another member an owner first.',
  },
  last_administrator: {
    status: 409,
    title: 'Last administrator',
    detail:
      'You are the last administrator of the platform: ask an operator to appoint another one first (tenantry users grant <email> --platform-admin).',
  },
  already_member: {
    status: 409,
    title: 'Already a member',
    detail: 'This e-mail already belongs to a member of the organization: change the member instead.',
  },
  team_member_limit: {
    status: 409,
    title: 'Too many team members',
    detail:
      'The subscription allows no more members or pending invitations: remove one, or ask the operator to raise the limit.',
  },
  organization_limit: {
    status: 409,
    title: 'Too many organizations',
    detail: 'You own the highest allowed number of organizations: delete one, or ask the operator for a higher limit.',
  },
  client_limit: {
    status: 409,
    title: 'Too many service clients',
    detail: 'An organization has at most 100 service clients: delete one first.',
  },
  client_secret_limit: {
    status: 409,
    title: 'Too many secrets',
    detail: 'This service client already has ten valid secrets: end the older ones first.',
  },
  client_without_secret: {
    status: 409,
    title: 'Service client without a secret',
    detail: 'This service client uses signed assertions and has no secret: replace its keys instead.',
  },
  invitation_invalid: {
    status: 410,
    title: 'Invitation not valid',
    detail: 'This invitation is not valid or no longer valid: ask for a new one.',
  },
  invalid_or_expired_token: {
    status: 422,
    title: 'Link or code not valid',
    detail: 'This link or code is not valid or no longer valid, and nothing was changed: ask for a new mail.',
  },
  ...MAILBOX_PROBLEMS,
  ...ACCOUNT_PROBLEMS,
  ...SERVICE_PROBLEMS,
} as const satisfies Record<string, ProblemKind>;
