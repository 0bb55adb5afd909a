// What a person reads when something was refused: a sentence for each code of Tenantry that these applications can get.
// docs/problems.md lists all codes.

export const WORDS = {
  // the service and the connection
  unreachable: 'The service cannot be reached. Check your connection, and try again.',
  failure: 'The service failed. Try again in a moment.',
  person_changed: 'You were signed out, or another person has signed in in another tab. Check who is signed in.',
  internal_error: 'The service failed. Try again in a moment.',
  signing_unavailable: 'The service cannot sign people in at the moment. Try again soon.',
  clock_skewed: 'The service is being repaired. Try again soon.',
  database_set_back: 'The service is being repaired. Try again soon.',
  revocations_stale: 'The service is being repaired. Try again soon.',
  data_key_missing: 'The service cannot read this at the moment. Try again soon.',
  personal_data_unreadable: 'The service cannot read this at the moment. Try again soon.',
  service_busy: 'Many people use the service now. Try again in a moment.',
  database_unavailable: 'The service cannot reach its data at the moment. Try again soon.',
  database_not_writable: 'The service cannot save changes at the moment. Try again soon.',
  request_timeout: 'The request took too long. Try again.',
  too_many_requests: 'There were too many attempts.',
  // the person and the session
  unauthenticated: 'Sign in first.',
  invalid_token: 'Your session has ended. Sign in again.',
  token_expired: 'Your session has ended. Sign in again.',
  token_stale: 'Your rights have changed. Try again.',
  session_revoked: 'Your session was ended. Sign in again.',
  session_expired: 'Your session has expired. Sign in again.',
  invalid_refresh_token: 'You are not signed in. Sign in again.',
  refresh_token_reused: 'Your session was used in two places, so it was ended. Sign in again.',
  invalid_credentials: 'The e-mail and the password do not belong together. Check both.',
  account_disabled: 'This account is disabled. Ask your administrator.',
  reauthentication_required: 'This needs your password again.',
  wrong_password: 'This is not your current password. Check it.',
  password_not_set: 'Your account has no password. Set one by “Forgotten password?”.',
  password_unchanged: 'This is your current password. Choose another one.',
  password_changed: 'Your password was changed a moment ago, so your request was not carried out. Sign in again.',
  cross_site_request: 'The service does not accept this application. Its operator must name it in CORS_ORIGINS.',
  // accounts and e-mails
  validation_failed: 'Some fields need your attention.',
  email_taken:
    'An account has this e-mail, or can still take it back. Sign in, open the link in the mail about its change, or use another e-mail.',
  registration_closed: 'A new account needs an invitation. Ask your administrator for one.',
  email_unchanged: 'This is your e-mail already. Enter another one.',
  email_disputed: 'The owner of this account undid an earlier change of its e-mail to this address. Enter another one.',
  email_unverified: 'Prove your own e-mail first, by the link or the code of the mail that you got.',
  invalid_or_expired_token:
    'This link or code was used or has expired, or a newer mail has replaced it. Ask for another.',
  email_change_for_another:
    'Another account asked for this change. Sign out, and sign in with that account. The link still works.',
  verification_for_another: 'This link is for another account. Sign out first. The link still works.',
  // organizations and invitations
  slug_taken: 'An organization with this name exists already. Choose another name.',
  organization_limit: 'You own as many organizations as you may.',
  organization_required: 'You have no organization to work in. Create one, or ask for an invitation.',
  organization_access_denied: 'You are not an active member of this organization. Choose another one.',
  organization_suspended: 'This organization is suspended. Choose another one, or ask its owner.',
  permission_denied: 'You may not do this in this organization. Ask its owner.',
  tenant_mismatch: 'This belongs to another organization.',
  grant_exceeds_own: 'You cannot give a role that may do more than you may.',
  already_member: 'This person is a member already.',
  team_member_limit: 'The organization has as many members and invitations as its plan allows.',
  invitation_invalid: 'This invitation was used or has expired, or it was withdrawn. Ask for a new one.',
  invitation_for_another: 'This invitation is for another e-mail. Sign out first. The invitation still works.',
  last_owner:
    'You are the last owner of an organization. Make another member an owner, or delete it with your account.',
  last_administrator: 'Nobody else administers the service. Its operator must appoint somebody else first.',
  not_found: 'This does not exist any more.',
  idempotency_key_in_use: 'The same request is running already. Wait a moment.',
};

/** The sentence for a problem. An unknown code is described by the service, in English. */
export function wordsFor(problem) {
  const known = Object.hasOwn(WORDS, problem.code) ? WORDS[problem.code] : problem.message;
  return problem.retryAfter ? `${known} Wait ${waitText(problem.retryAfter)}.` : known;
}

function waitText(seconds) {
  if (seconds < 90) return `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}
