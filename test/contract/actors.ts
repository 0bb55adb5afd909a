// The matrix of routes and actors: the answer of each route to each actor, written by hand. actors.test.ts sends all
// requests, and fails for a route without a line here.
//
// A line lists one answer for each actor, in the order of ACTORS. An answer is a status. If several problem codes have
// that status, a dot and the code follow. Every route that needs a token refuses the suspended member's token as stale.

export const ACTORS = [
  'anonymous',
  'viewer',
  'agent',
  'admin',
  'owner',
  'foreign', // the owner of another organization, who requests data of the first organization
  'suspended', // a member who was suspended after signing in
  'platform', // an administrator of the platform, who acts for no organization
  'client', // a service client of the first organization with every permission
] as const;
export type Actor = (typeof ACTORS)[number];

const OPEN = (status: number) => ACTORS.map(() => String(status)).join(' ');
const USERS_ONLY = '403.user_required';
const SIGNED_IN = (status: number) =>
  `401 ${status} ${status} ${status} ${status} ${status} 401 ${status} ${USERS_ONLY}`;
/** The answers of a route that users and service clients may call. */
const ANYBODY = (status: number) => SIGNED_IN(status).replace(USERS_ONLY, String(status));

/**
 * The answers of a route that acts for an organization. The parameters are the answers to the actors of the same names.
 * `client` is given only if service clients may call the route. The other actors get the same answer at every such
 * route.
 */
const MEMBERS = (
  viewer: string,
  agent: string,
  admin: string,
  owner: string,
  foreign: string,
  client: string = USERS_ONLY,
) => `401 ${viewer} ${agent} ${admin} ${owner} ${foreign} 401 403.organization_required ${client}`;

const WRONG = '403.wrong_password';
const NO = '403.permission_denied';
const PLATFORM = (status: number) => `401 ${NO} ${NO} ${NO} ${NO} ${NO} 401 ${status} ${USERS_ONLY}`;

export const MATRIX: Readonly<Record<string, string>> = {
  'GET /.well-known/jwks.json': OPEN(200),
  'GET /.well-known/oauth-authorization-server': OPEN(200),
  // These routes need the credentials of a client. The requests have none, and an access token does not replace them.
  'POST /oauth/introspect': OPEN(400),
  'POST /oauth/revoke': OPEN(400),
  'POST /oauth/token': OPEN(400),
  'GET /docs': OPEN(200),
  'GET /docs/openapi.yaml': OPEN(200),
  'GET /docs/start.js': OPEN(200),
  'GET /docs/swagger-ui-bundle.js': OPEN(200),
  'GET /docs/swagger-ui.css': OPEN(200),
  'GET /assets/:name': OPEN(404), // the names of the files have hashes
  // A page recognizes people only by the cookie of their browser. The requests have neither a cookie nor an origin.
  'GET /': OPEN(303),
  'GET /sign-in': OPEN(200),
  'POST /sign-in': OPEN(403),
  'GET /register': OPEN(200),
  'POST /register': OPEN(403),
  'GET /forgot-password': OPEN(200),
  'POST /forgot-password': OPEN(403),
  'GET /reset-password': OPEN(200),
  'POST /reset-password': OPEN(403),
  'GET /accept-invitation': OPEN(200),
  'POST /accept-invitation': OPEN(403),
  'GET /verify-email': OPEN(200),
  'POST /verify-email': OPEN(403),
  'GET /confirm-email': OPEN(200),
  'POST /confirm-email': OPEN(403),
  'GET /revert-email': OPEN(200),
  'POST /revert-email': OPEN(403),
  'GET /sign-out': OPEN(303),
  'POST /sign-out': OPEN(403),
  'GET /account': OPEN(303),
  'POST /account': OPEN(403),
  'GET /account/devices': OPEN(303),
  'POST /account/devices': OPEN(403),
  'GET /account/organizations': OPEN(303),
  'POST /account/organizations': OPEN(403),
  'GET /account/organizations/:id/leave': OPEN(303),
  'POST /account/organizations/:id/leave': OPEN(403),
  'GET /account/data': OPEN(303),
  'POST /account/data': OPEN(403),
  'GET /account/close': OPEN(303),
  'POST /account/close': OPEN(403),
  'GET /account-closed': OPEN(200),
  'GET /account/email': OPEN(303),
  'POST /account/email': OPEN(403),
  'GET /account/password': OPEN(303),
  'POST /account/password': OPEN(403),
  'GET /reauthenticate': OPEN(303),
  'POST /reauthenticate': OPEN(403),
  'GET /.well-known/change-password': OPEN(303),
  'GET /healthz': OPEN(200),
  'GET /readyz': OPEN(200),

  'POST /api/v1/auth/register': OPEN(201),
  'POST /api/v1/auth/login': OPEN(200),
  'POST /api/v1/auth/forgot-password': OPEN(202),
  'POST /api/v1/auth/reset-password': OPEN(422),
  'POST /api/v1/auth/refresh': OPEN(200),
  'POST /api/v1/auth/verify-email': OPEN(422),
  'POST /api/v1/auth/verify-email/resend': SIGNED_IN(202),
  'POST /api/v1/auth/logout': OPEN(204),
  // The request switches to the second organization. Only `foreign`, its owner, is a member of it.
  'POST /api/v1/auth/switch-organization':
    '401 403.organization_access_denied 403.organization_access_denied 403.organization_access_denied ' +
    `403.organization_access_denied 200 401 403.organization_access_denied ${USERS_ONLY}`,
  // Every actor sends a wrong password.
  'POST /api/v1/auth/reauthenticate': `401 ${WRONG} ${WRONG} ${WRONG} ${WRONG} ${WRONG} 401 ${WRONG} ${USERS_ONLY}`,
  'POST /api/v1/me/password': `401 ${WRONG} ${WRONG} ${WRONG} ${WRONG} ${WRONG} 401 ${WRONG} ${USERS_ONLY}`,
  'POST /api/v1/me/email': SIGNED_IN(202),
  'POST /api/v1/auth/confirm-email-change': SIGNED_IN(422),
  'POST /api/v1/auth/revert-email': OPEN(422),
  'POST /api/v1/invitations/accept': OPEN(410),

  'GET /api/v1/me': SIGNED_IN(200),
  'PATCH /api/v1/me': SIGNED_IN(200),
  'GET /api/v1/me/export': SIGNED_IN(200),
  'DELETE /api/v1/me': `401 204 204 204 409.last_owner 409.last_owner 401 204 ${USERS_ONLY}`,
  'GET /api/v1/me/organizations': SIGNED_IN(200),
  'DELETE /api/v1/me/organizations/:id': `401 204 204 204 409.last_owner 404 401 404 ${USERS_ONLY}`,
  'GET /api/v1/me/sessions': SIGNED_IN(200),
  'DELETE /api/v1/me/sessions': SIGNED_IN(200),
  'DELETE /api/v1/me/sessions/:id': SIGNED_IN(404), // a session of another user
  'POST /api/v1/organizations': SIGNED_IN(201),
  'POST /api/v1/tenants': SIGNED_IN(201),

  'GET /api/v1/organizations/current': MEMBERS(NO, '200', '200', '200', '200', '200'),
  'PATCH /api/v1/organizations/current': MEMBERS(NO, NO, '200', '200', '200'),
  // The client sends its request after the owner has deleted the organization.
  'DELETE /api/v1/organizations/current': MEMBERS(NO, NO, NO, '204', '204', '401.organization_suspended'),
  'GET /api/v1/organizations/current/subscription': MEMBERS(NO, '200', '200', '200', '200', '200'),

  'GET /api/v1/users': MEMBERS(NO, '200', '200', '200', '200', '200'),
  'POST /api/v1/users': MEMBERS(NO, NO, '201', '201', '201'),
  'GET /api/v1/users/:id': MEMBERS(NO, '200', '200', '200', '404', '200'),
  'PATCH /api/v1/users/:id': MEMBERS(NO, NO, '200', '200', '404'),
  'DELETE /api/v1/users/:id': MEMBERS(NO, NO, NO, '204', '404'),
  'GET /api/v1/users/:id/sessions': MEMBERS(NO, NO, '200', '200', '404'),
  'DELETE /api/v1/users/:id/sessions': MEMBERS(NO, NO, '200', '200', '404'),
  'DELETE /api/v1/users/:id/sessions/:sessionId': MEMBERS(NO, NO, '204', '204', '404'),

  'GET /api/v1/invitations': MEMBERS(NO, NO, '200', '200', '200'),
  'POST /api/v1/invitations': MEMBERS(NO, NO, '201', '201', '201'),
  'GET /api/v1/invitations/:id': MEMBERS(NO, NO, '200', '200', '404'),
  'POST /api/v1/invitations/:id/resend': MEMBERS(NO, NO, '200', '200', '404'),
  'DELETE /api/v1/invitations/:id': MEMBERS(NO, NO, '204', '204', '404'),

  'GET /api/v1/roles': MEMBERS(NO, NO, '200', '200', '200', '200'),
  'POST /api/v1/roles': MEMBERS(NO, NO, '201', '201', '201'),
  'GET /api/v1/roles/:id': MEMBERS(NO, NO, '200', '200', '404', '200'),
  'PATCH /api/v1/roles/:id': MEMBERS(NO, NO, '200', '200', '404'),
  'DELETE /api/v1/roles/:id': MEMBERS(NO, NO, '204', '204', '404'),
  'GET /api/v1/permissions': MEMBERS(NO, NO, '200', '200', '200', '200'),

  'GET /api/v1/clients': MEMBERS(NO, NO, NO, '200', '200'),
  'POST /api/v1/clients': MEMBERS(NO, NO, NO, '201', '201'),
  'GET /api/v1/clients/:id': MEMBERS(NO, NO, NO, '200', '404'),
  'PATCH /api/v1/clients/:id': MEMBERS(NO, NO, NO, '200', '404'),
  'DELETE /api/v1/clients/:id': MEMBERS(NO, NO, NO, '204', '404'),
  'POST /api/v1/clients/:id/secret': MEMBERS(NO, NO, NO, '200', '404'),
  'DELETE /api/v1/clients/:id/secret': MEMBERS(NO, NO, NO, '204', '404'),

  // The check is about a member of the first organization. A user needs users:read to check another user.
  'POST /api/v1/authz/check': MEMBERS(NO, '200', '200', '200', '200', '200'),
  'POST /api/v1/authz/check/batch': MEMBERS(NO, '200', '200', '200', '200', '200'),

  'GET /api/v1/revocations':
    '401 403.client_required 403.client_required 403.client_required 403.client_required 403.client_required 401 403.client_required 200',

  'GET /verify': ANYBODY(200),
  'GET /verify/*': ANYBODY(200),
  'POST /verify/*': ANYBODY(200),
  'PUT /verify/*': ANYBODY(200),
  'PATCH /verify/*': ANYBODY(200),
  'DELETE /verify/*': ANYBODY(200),

  'GET /api/v1/admin/organizations': PLATFORM(200),
  'GET /api/v1/admin/organizations/:id': PLATFORM(200),
  'POST /api/v1/admin/organizations/:id/suspend': PLATFORM(200),
  'POST /api/v1/admin/organizations/:id/activate': PLATFORM(200),
};
