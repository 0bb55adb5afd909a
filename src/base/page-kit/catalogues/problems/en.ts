// The problems that people meet on pages, in English. Any other problem has the text `failure` if its status is 500 or
// more, and otherwise the text `other`.

export const problems = {
  invalid_credentials: {
    title: 'Wrong e-mail or password',
    detail: 'The e-mail and the password do not belong together. Check both.',
  },
  reauthentication_required: {
    title: 'Prove again who you are',
    detail: 'Enter your current password to show that it is you.',
  },
  wrong_password: { title: 'Wrong password', detail: 'This is not your current password. Check it.' },
  password_not_set: {
    title: 'You have no password',
    detail: 'Set one with a link by mail: follow the link for a forgotten password.',
  },
  password_unchanged: { title: 'Password unchanged', detail: 'This is your current password. Choose another one.' },
  email_unchanged: { title: 'E-mail unchanged', detail: 'This is your e-mail already. Enter another one.' },
  email_disputed: {
    title: 'E-mail not accepted',
    detail: 'The owner of this account undid an earlier change of its e-mail to this address. Enter another one.',
  },
  password_changed: {
    title: 'Password changed meanwhile',
    detail:
      'The password was changed a moment ago, so your request was not carried out. Try again with the new password.',
  },
  account_disabled: {
    title: 'Account disabled',
    detail: 'This account is disabled. Ask the operator of this service.',
  },
  validation_failed: { title: 'Check the form', detail: 'Some fields need your attention.' },
  email_taken: {
    title: 'E-mail taken',
    detail:
      'An account has this e-mail, or can still take it back. Sign in, open the link in the mail about its change, or use another e-mail.',
  },
  slug_taken: { title: 'Name taken', detail: 'An organization with this name exists already. Choose another name.' },
  registration_closed: {
    title: 'Registration is closed',
    detail: 'A new account needs an invitation here. Ask your administrator for one.',
  },
  too_many_requests: { title: 'Too many attempts', detail: 'Wait a moment, and then try again.' },
  cross_site_request: {
    title: 'Not from this site',
    detail: 'The form was sent from another site, so nothing was changed. Open the page here and try again.',
  },
  form_expired: {
    title: 'The form has expired',
    detail: 'The form belongs to another session or browser, so nothing was changed. Open the page again.',
  },
  not_found: { title: 'Page not found', detail: 'There is no such page. Check the address.' },
  method_not_allowed: { title: 'Not possible here', detail: 'This address does not take what was sent to it.' },
  permission_denied: { title: 'Not allowed', detail: 'You do not have the permission for this page.' },
  organization_access_denied: {
    title: 'No access to the organization',
    detail: 'You are not an active member of this organization.',
  },
  organization_suspended: {
    title: 'Organization suspended',
    detail: 'This organization is suspended. Ask its owner, or the operator of this service if you are the owner.',
  },
  last_owner: {
    title: 'You are the last owner',
    detail: 'Make another member an owner first. An organization must have at least one.',
  },
  last_administrator: {
    title: 'You are the last administrator',
    detail: 'Nobody else administers this service. Ask its operator to appoint somebody else first.',
  },
  invalid_or_expired_token: {
    title: 'Link or code not valid',
    detail: 'It was used or has expired, or a newer mail has replaced it. Ask for a new mail.',
  },
  email_change_for_another: {
    title: 'Link for another account',
    detail: 'Sign out, sign in with the account that asked for the change, and open the link again. It still works.',
  },
  verification_for_another: {
    title: 'Link for another account',
    detail: 'Sign out, or sign in with the account of that e-mail. The link still works.',
  },
  invitation_invalid: {
    title: 'Invitation not valid',
    detail: 'This invitation cannot be used any more. Ask for a new one.',
  },
  invitation_for_another: {
    title: 'Invitation for another e-mail',
    detail: 'Sign in with the e-mail to which the invitation was sent.',
  },
  already_member: { title: 'Already a member', detail: 'You are a member of this organization already.' },
  team_member_limit: {
    title: 'No place left',
    detail: 'The organization can have no more members at the moment. Ask the person who invited you.',
  },
  session_revoked: { title: 'Session ended', detail: 'Your session was ended. Sign in again.' },
  service_busy: {
    title: 'The service is busy',
    detail: 'Many people are using the service now. Try again in a moment.',
  },
  database_unavailable: {
    title: 'The service is not available',
    detail: 'The service cannot reach its data at the moment. Try again soon.',
  },
  database_not_writable: {
    title: 'No changes at the moment',
    detail: 'The service can show things now, but cannot save changes. Try again soon.',
  },
  other: { title: 'That did not work', detail: 'The service did not accept the request. Go back and try again.' },
  failure: {
    title: 'The service failed',
    detail: 'Try again in a moment. If it fails again, report the number of the request.',
  },
};
