// The prefix of a URL decides which folder declares the URL, so that its code is easy to find.
import { existsSync } from 'node:fs';
import t from 'tap';
import { ROOT } from '../../scripts/generate/endpoints.ts';
import { CHAPTERS, describeEndpoints } from '../../src/app/endpoints.ts';

/** A prefix of paths, and the folder that declares the paths with this prefix. The longest matching prefix is used. */
const FOLDERS: Readonly<Record<string, string>> = {
  '/api/v1/auth/register': 'sign-in/password',
  '/api/v1/auth/login': 'sign-in/password',
  '/api/v1/auth/forgot-password': 'sign-in/forgotten-password',
  '/api/v1/auth/reset-password': 'sign-in/forgotten-password',
  '/api/v1/auth/verify-email': 'sign-in/verify-email',
  '/api/v1/auth/reauthenticate': 'sign-in/reauthentication',
  '/api/v1/auth': 'sign-in/sessions',
  '/api/v1/me': 'directory/profile',
  '/api/v1/me/export': 'sign-in/leaving',
  '/api/v1/me/sessions': 'sign-in/sessions',
  '/api/v1/me/password': 'sign-in/own-password',
  '/api/v1/me/email': 'sign-in/own-email',
  '/api/v1/auth/confirm-email-change': 'sign-in/own-email',
  '/api/v1/auth/revert-email': 'sign-in/own-email',
  '/api/v1/me/organizations': 'directory/organizations',
  '/api/v1/me/organizations/:id': 'directory/members', // leaving an organization ends a membership
  '/api/v1/users': 'directory/members',
  '/api/v1/users/:id/sessions': 'sign-in/member-sessions',
  '/api/v1/roles': 'directory/roles',
  '/api/v1/permissions': 'directory/permissions',
  '/api/v1/organizations': 'directory/organizations',
  '/api/v1/tenants': 'directory/organizations',
  '/api/v1/invitations': 'directory/invitations',
  '/api/v1/invitations/accept': 'sign-in/accept-invitation',
  '/api/v1/authz': 'access/checks',
  '/api/v1/clients': 'access/clients',
  '/api/v1/revocations': 'credentials/feed',
  '/api/v1/admin/organizations': 'admin/organizations',
  '/oauth': 'access/oauth',
  '/verify': 'access/forward-auth',
  '/.well-known/jwks.json': 'credentials/keys',
  '/.well-known/oauth-authorization-server': 'access/oauth',
  '/healthz': 'base/health',
  '/readyz': 'base/health',
  '/': 'sign-in/browser',
  '/sign-in': 'sign-in/password',
  '/register': 'sign-in/password',
  '/forgot-password': 'sign-in/forgotten-password',
  '/reset-password': 'sign-in/forgotten-password',
  '/accept-invitation': 'sign-in/accept-invitation',
  '/verify-email': 'sign-in/verify-email',
  '/confirm-email': 'sign-in/own-email',
  '/revert-email': 'sign-in/own-email',
  '/sign-out': 'sign-in/browser',
  '/account/email': 'sign-in/own-email',
  '/account/password': 'sign-in/own-password',
  '/account/data': 'sign-in/leaving',
  '/account/close': 'sign-in/leaving',
  '/account-closed': 'sign-in/leaving',
  '/account': 'sign-in/account',
  '/reauthenticate': 'sign-in/reauthentication',
  '/.well-known/change-password': 'sign-in/own-password',
  '/assets': 'base/assets',
  '/docs': 'base/docs',
};

/** Methods of URLs that another folder declares. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'POST /api/v1/users': 'directory/invitations', // an invitation does not create a member yet
  'DELETE /api/v1/me': 'sign-in/leaving', // closing an account is more than a change of the profile
};

function folderOf(method: string, url: string): string | undefined {
  const exception = EXCEPTIONS[`${method} ${url}`];
  if (exception !== undefined) return exception;
  const fitting = Object.keys(FOLDERS).filter((start) => url === start || url.startsWith(`${start}/`));
  return FOLDERS[fitting.sort((a, b) => b.length - a.length)[0] ?? ''];
}

const declared = describeEndpoints(ROOT);

t.test('each URL is declared by the folder that belongs to its start', async (t) => {
  for (const { endpoint, folder } of declared) {
    t.equal(folder, folderOf(endpoint.method, endpoint.url), `${endpoint.method} ${endpoint.url}`);
  }
});

t.test('every start of a path in the table is used by a URL', async (t) => {
  const unused = Object.keys(FOLDERS).filter(
    (start) => !declared.some(({ endpoint }) => endpoint.url.startsWith(start)),
  );
  t.same(unused, []);
  const routes = declared.map(({ endpoint }) => `${endpoint.method} ${endpoint.url}`);
  t.same(
    Object.keys(EXCEPTIONS).filter((route) => !routes.includes(route)),
    [],
  );
});

t.test('each folder in the list of features is listed once, exists, and has a routes.ts or a pages.ts', async (t) => {
  const folders = CHAPTERS.map(({ folder }) => folder);
  t.equal(new Set(folders).size, folders.length);
  for (const { endpoint, folder } of declared) {
    const edge = endpoint.wire === 'page' ? 'pages.ts' : 'routes.ts';
    t.ok(existsSync(`${ROOT}/src/${folder}/${edge}`), `${folder}/${edge}`);
  }
});

t.test('the URLs in the list of features equal those that the routes declare', async (t) => {
  const health = CHAPTERS.filter(({ folder }) => folder === 'base/health');
  const checked = (urls: readonly string[]) => () =>
    describeEndpoints(
      ROOT,
      health.map((chapter) => ({ ...chapter, urls })),
    );
  t.equal(checked(['/healthz', '/readyz'])().length, 2);
  t.throws(checked(['/healthz']), { message: /does not list.*readyz/ });
  t.throws(checked(['/healthz', '/readyz', '/livez']), { message: /does not declare.*livez/ });
});

t.test('an endpoint that is only described has a description, and cannot be called', async (t) => {
  const keys = declared.find(({ endpoint }) => endpoint.url === '/.well-known/jwks.json');
  t.throws(() => keys?.endpoint.handle({} as Parameters<typeof keys.endpoint.handle>[0]), {
    message: /features\.keys\.accessKeys was read without a request/,
  });
});
