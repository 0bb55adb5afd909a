// The list of the folders that have endpoints, with the URLs of each. A folder declares the endpoints of the API in
// routes.ts and its pages in pages.ts.
import { checkRoutes } from '../access/checks/routes.ts';
import { clientRoutes } from '../access/clients/routes.ts';
import { forwardRoutes } from '../access/forward-auth/routes.ts';
import { oauthRoutes } from '../access/oauth/routes.ts';
import { administrationRoutes } from '../admin/organizations/routes.ts';
import { assetRoutes } from '../base/assets/routes.ts';
import { docsRoutes } from '../base/docs/routes.ts';
import { healthRoutes } from '../base/health/routes.ts';
import type { Endpoint } from '../base/http/endpoint.ts';
import { feedRoutes } from '../credentials/feed/routes.ts';
import { keyRoutes } from '../credentials/keys/routes.ts';
import { invitationRoutes } from '../directory/invitations/routes.ts';
import { memberRoutes } from '../directory/members/routes.ts';
import { organizationRoutes } from '../directory/organizations/routes.ts';
import { permissionRoutes } from '../directory/permissions/routes.ts';
import { profileRoutes } from '../directory/profile/routes.ts';
import { roleRoutes } from '../directory/roles/routes.ts';
import { acceptPages } from '../sign-in/accept-invitation/pages.ts';
import { acceptRoutes } from '../sign-in/accept-invitation/routes.ts';
import { accountPages } from '../sign-in/account/pages.ts';
import { browserPages } from '../sign-in/browser/pages.ts';
import { forgottenPasswordPages } from '../sign-in/forgotten-password/pages.ts';
import { forgottenPasswordRoutes } from '../sign-in/forgotten-password/routes.ts';
import { leavingPages } from '../sign-in/leaving/pages.ts';
import { leavingRoutes } from '../sign-in/leaving/routes.ts';
import { memberSessionRoutes } from '../sign-in/member-sessions/routes.ts';
import { ownEmailPages } from '../sign-in/own-email/pages.ts';
import { ownEmailRoutes } from '../sign-in/own-email/routes.ts';
import { ownPasswordPages } from '../sign-in/own-password/pages.ts';
import { ownPasswordRoutes } from '../sign-in/own-password/routes.ts';
import { passwordPages } from '../sign-in/password/pages.ts';
import { passwordRoutes } from '../sign-in/password/routes.ts';
import { reauthenticationPages } from '../sign-in/reauthentication/pages.ts';
import { reauthenticationRoutes } from '../sign-in/reauthentication/routes.ts';
import { sessionRoutes } from '../sign-in/sessions/routes.ts';
import { verifyPages } from '../sign-in/verify-email/pages.ts';
import { verifyRoutes } from '../sign-in/verify-email/routes.ts';
import type { Features } from './features.ts';

export interface Chapter {
  /** The folder below src/. Its routes.ts, its pages.ts, or both declare the endpoints. */
  readonly folder: string;
  /** The URLs of the folder, as its routes.ts and pages.ts declare them. */
  readonly urls: readonly string[];
  readonly routes: (features: Features, docsRoot: string | null) => Endpoint[];
}

/** The chapters, in the order of openapi.yaml. */
export const CHAPTERS: readonly Chapter[] = [
  {
    folder: 'sign-in/password',
    urls: ['/api/v1/auth/register', '/api/v1/auth/login', '/sign-in', '/register'],
    routes: ({ password, browser }) => [...passwordRoutes(password), ...passwordPages({ ...password, ...browser })],
  },
  {
    folder: 'sign-in/forgotten-password',
    urls: ['/api/v1/auth/forgot-password', '/api/v1/auth/reset-password', '/forgot-password', '/reset-password'],
    routes: ({ forgottenPassword }) => [
      ...forgottenPasswordRoutes(forgottenPassword),
      ...forgottenPasswordPages(forgottenPassword),
    ],
  },
  {
    folder: 'sign-in/verify-email',
    urls: ['/api/v1/auth/verify-email', '/api/v1/auth/verify-email/resend', '/verify-email'],
    routes: ({ verifyEmail, browser }) => [
      ...verifyRoutes(verifyEmail),
      ...verifyPages({ ...verifyEmail, ...browser }),
    ],
  },
  {
    folder: 'sign-in/sessions',
    urls: [
      '/api/v1/auth/refresh',
      '/api/v1/auth/logout',
      '/api/v1/auth/switch-organization',
      '/api/v1/me/sessions',
      '/api/v1/me/sessions/:id',
    ],
    routes: ({ sessions }) => sessionRoutes(sessions),
  },
  {
    folder: 'sign-in/browser',
    urls: ['/', '/sign-out'],
    routes: ({ browser }) => browserPages(browser),
  },
  {
    folder: 'sign-in/account',
    urls: ['/account', '/account/devices', '/account/organizations', '/account/organizations/:id/leave'],
    routes: ({ account }) => accountPages(account),
  },
  {
    folder: 'sign-in/reauthentication',
    urls: ['/api/v1/auth/reauthenticate', '/reauthenticate'],
    routes: ({ reauthentication }) => [
      ...reauthenticationRoutes(reauthentication),
      ...reauthenticationPages(reauthentication),
    ],
  },
  {
    folder: 'sign-in/own-password',
    urls: ['/api/v1/me/password', '/account/password', '/.well-known/change-password'],
    routes: ({ ownPassword }) => [...ownPasswordRoutes(ownPassword), ...ownPasswordPages(ownPassword)],
  },
  {
    folder: 'sign-in/own-email',
    urls: [
      '/api/v1/me/email',
      '/api/v1/auth/confirm-email-change',
      '/api/v1/auth/revert-email',
      '/account/email',
      '/confirm-email',
      '/revert-email',
    ],
    routes: ({ ownEmail }) => [...ownEmailRoutes(ownEmail), ...ownEmailPages(ownEmail)],
  },
  {
    folder: 'sign-in/leaving',
    urls: [
      '/api/v1/me', // DELETE to this URL closes the account
      '/api/v1/me/export',
      '/account/data',
      '/account/close',
      '/account-closed',
    ],
    routes: ({ leaving }) => [...leavingRoutes(leaving), ...leavingPages(leaving)],
  },
  {
    folder: 'directory/profile',
    urls: ['/api/v1/me'],
    routes: ({ profile }) => profileRoutes(profile),
  },
  {
    folder: 'directory/organizations',
    urls: [
      '/api/v1/organizations',
      '/api/v1/tenants',
      '/api/v1/organizations/current',
      '/api/v1/organizations/current/subscription',
      '/api/v1/me/organizations',
    ],
    routes: ({ organizations }) => organizationRoutes(organizations),
  },
  {
    folder: 'directory/roles',
    urls: ['/api/v1/roles', '/api/v1/roles/:id'],
    routes: ({ roles }) => roleRoutes(roles),
  },
  {
    folder: 'directory/permissions',
    urls: ['/api/v1/permissions'],
    routes: ({ permissions }) => permissionRoutes(permissions),
  },
  {
    folder: 'admin/organizations',
    urls: [
      '/api/v1/admin/organizations',
      '/api/v1/admin/organizations/:id',
      '/api/v1/admin/organizations/:id/suspend',
      '/api/v1/admin/organizations/:id/activate',
    ],
    routes: ({ administration }) => administrationRoutes(administration),
  },
  {
    folder: 'directory/members',
    urls: ['/api/v1/users', '/api/v1/users/:id', '/api/v1/me/organizations/:id'],
    routes: ({ members }) => memberRoutes(members),
  },
  {
    folder: 'sign-in/member-sessions',
    urls: ['/api/v1/users/:id/sessions', '/api/v1/users/:id/sessions/:sessionId'],
    routes: ({ memberSessions }) => memberSessionRoutes(memberSessions),
  },
  {
    folder: 'access/checks',
    urls: ['/api/v1/authz/check', '/api/v1/authz/check/batch'],
    routes: ({ checks }) => checkRoutes(checks),
  },
  {
    folder: 'access/forward-auth',
    urls: ['/verify', '/verify/*'],
    routes: ({ forwardAuth }) => forwardRoutes(forwardAuth),
  },
  {
    folder: 'directory/invitations',
    urls: [
      '/api/v1/invitations',
      '/api/v1/users', // POST to this URL invites
      '/api/v1/invitations/:id',
      '/api/v1/invitations/:id/resend',
    ],
    routes: ({ invitations }) => invitationRoutes(invitations),
  },
  {
    folder: 'sign-in/accept-invitation',
    urls: ['/api/v1/invitations/accept', '/accept-invitation'],
    routes: ({ acceptInvitation, browser }) => [
      ...acceptRoutes(acceptInvitation),
      ...acceptPages({ ...acceptInvitation, ...browser }),
    ],
  },
  {
    folder: 'access/clients',
    urls: ['/api/v1/clients', '/api/v1/clients/:id', '/api/v1/clients/:id/secret'],
    routes: ({ clients }) => clientRoutes(clients),
  },
  {
    folder: 'access/oauth',
    urls: ['/oauth/token', '/oauth/introspect', '/oauth/revoke', '/.well-known/oauth-authorization-server'],
    routes: ({ oauth }) => oauthRoutes(oauth),
  },
  {
    folder: 'credentials/feed',
    urls: ['/api/v1/revocations'],
    routes: ({ feed }) => feedRoutes(feed),
  },
  {
    folder: 'credentials/keys',
    urls: ['/.well-known/jwks.json'],
    routes: ({ keys }) => keyRoutes(keys),
  },
  {
    folder: 'base/health',
    urls: ['/healthz', '/readyz'],
    routes: ({ health }) => healthRoutes(health),
  },
  {
    folder: 'base/assets',
    urls: ['/assets/:name'],
    routes: () => assetRoutes(),
  },
  {
    folder: 'base/docs',
    urls: ['/docs', '/docs/openapi.yaml', '/docs/start.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js'],
    routes: (_, docsRoot) => (docsRoot === null ? [] : docsRoutes(docsRoot)),
  },
];

/** An endpoint with the folder that declares it. */
export interface DeclaredEndpoint {
  readonly endpoint: Endpoint;
  readonly folder: string;
}

/**
 * Returns every endpoint of the service. `docsRoot` is the folder with openapi.yaml. With null there is no reference
 * page.
 */
export function listEndpoints(features: Features, docsRoot: string | null): Endpoint[] {
  return declare(CHAPTERS, features, docsRoot).map(({ endpoint }) => endpoint);
}

/**
 * Returns every endpoint that the service can have, without opening a service. The endpoints can be read but not
 * called.
 */
export function describeEndpoints(docsRoot: string, chapters: readonly Chapter[] = CHAPTERS): DeclaredEndpoint[] {
  const features = unopened<Features>('features', (feature) => unopened(`features.${feature}`));
  return declare(chapters, features, docsRoot);
}

/**
 * Returns the endpoints of the chapters. Raises an error unless each folder declares exactly the URLs in its list, or
 * no URL at all.
 */
function declare(chapters: readonly Chapter[], features: Features, docsRoot: string | null): DeclaredEndpoint[] {
  return chapters.flatMap(({ folder, urls, routes }) => {
    const endpoints = routes(features, docsRoot);
    const declared = new Set(endpoints.map(({ url }) => url));
    const unlisted = [...declared].filter((url) => !urls.includes(url));
    const missing = endpoints.length === 0 ? [] : urls.filter((url) => !declared.has(url));
    if (unlisted.length > 0) throw new Error(`${folder} declares URLs that endpoints.ts does not list: ${unlisted}`);
    if (missing.length > 0) throw new Error(`endpoints.ts lists URLs that ${folder} does not declare: ${missing}`);
    return endpoints.map((endpoint) => ({ endpoint, folder }));
  });
}

/**
 * A placeholder for dependencies that only a request uses. Reading a property of the placeholder raises an error, or
 * returns the result of `member` if that is given.
 */
function unopened<T extends object>(name: string, member?: (name: string) => unknown): T {
  const get = (_: object, key: string | symbol): unknown => {
    if (member) return member(String(key));
    throw new Error(`${name}.${String(key)} was read without a request`);
  };
  return new Proxy({}, { get }) as T;
}
