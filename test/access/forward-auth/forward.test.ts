// Forward authentication as a proxy uses it: which requests pass, the identity headers of the answer, and required
// permissions.
import t from 'tap';
import { IDENTITY_HEADERS, isIdentityHeader } from '../../../src/protocol/identity-headers.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { changeRights } from '../checks/rights.ts';
import { memberOfLargeRole, openForwardAuth, tellsNothing, tenantOf, tokenWith, told, verify } from './forward.ts';

t.test('an allowed request gets every identity header, empty ones included', async (t) => {
  const { api, join, organization, asClient } = await openForwardAuth(t);
  const agent = await join('agent');
  const nothing = Object.fromEntries(IDENTITY_HEADERS.map((name) => [name, '']));
  const { data } = (await api.get('/me', { token: agent.token })).body;
  const ofAgent = await verify(api, '', agent.token);
  t.equal(ofAgent.status, 200);
  t.equal(ofAgent.text, '');
  t.equal(ofAgent.headers.get('cache-control'), 'no-store');
  t.strictSame(told(ofAgent), {
    ...nothing,
    'x-user-id': agent.userId,
    'x-organization-id': organization.id,
    'x-roles': 'agent',
    'x-permissions': data.permissions.join(','),
    'x-session-id': agent.sessionId,
  });
  const loner = await newAccountWithoutOrganization(api);
  t.strictSame(
    told(await verify(api, '', loner.accessToken)),
    { ...nothing, 'x-user-id': loner.userId, 'x-session-id': loner.sessionId },
    'a user who acts for no organization',
  );
  const client = await asClient(['contacts:*', 'deals:read']);
  t.strictSame(told(await verify(api, '', client.token)), {
    ...nothing,
    'x-client-id': client.id,
    'x-organization-id': organization.id,
    'x-permissions': 'contacts:*,deals:read',
  });
  const ofInstallation = await asClient(['revocations:read'], null);
  t.strictSame(told(await verify(api, '', ofInstallation.token)), {
    ...nothing,
    'x-client-id': ofInstallation.id,
    'x-permissions': 'revocations:read',
  });
  const head = await api.call('HEAD', '/verify', undefined, { token: agent.token });
  t.strictSame([head.status, told(head)], [200, told(ofAgent)], 'HEAD gets the same answer');
});

t.test('an allowed request gets tenant headers that a proxy can set instead of those of the client', async (t) => {
  const { api, database, join, organization, asClient } = await openForwardAuth(t);
  const { token } = await join('agent');
  const own = [organization.id, organization.slug];
  t.strictSame(tenantOf(await verify(api, '', token)), own);
  t.strictSame(tenantOf(await verify(api, '', token, { 'x-tenant-id': organization.slug.toUpperCase() })), own);
  t.strictSame(tenantOf(await verify(api, '', token, { 'x-organization-slug': organization.slug })), own);
  t.strictSame(tenantOf(await verify(api, '', (await asClient(['deals:read'])).token)), own);
  t.strictSame(tenantOf(await verify(api, '', (await asClient([], null)).token)), ['', '']);
  const loner = await newAccountWithoutOrganization(api);
  t.strictSame(tenantOf(await verify(api, '', loner.accessToken)), ['', '']);
  const chosen = await seedOrganizationOf(database, loner.userId, { slug: 'loners-own', role: 'viewer' });
  t.strictSame(
    tenantOf(await verify(api, '', loner.accessToken, { 'x-tenant-id': chosen })),
    [chosen, 'loners-own'],
    'the organization that a header has chosen',
  );
  const bearer = `Authorization: Bearer ${token}`;
  for (const other of ['other', organization.id]) {
    const fields = [bearer, `X-Tenant-ID: ${organization.id}`, `X-Tenant-ID: ${other}`];
    refused(t, await sendRaw(api.url, requestHead('GET', '/verify', ...fields)), 'bad_request', 'sent twice');
  }
});

t.test('every required permission must be granted, by the same rules as in a permission check', async (t) => {
  const { api, service, asClient } = await openForwardAuth(t);
  const user = await tokenWith(service, ['x'], ['deals:read', 'contacts:*', '*:export']);
  const client = await asClient(['deals:read', 'contacts:*', '*:export']);
  const loner = await newAccountWithoutOrganization(api);
  const wide = await asClient(['revocations:read'], null);
  const table = [
    ['deals:read', 200],
    ['deals:write', 403],
    ['contacts:delete', 200],
    ['notes:export', 200],
    ['deals:*', 403],
    ['contacts:*', 200],
    ['*:*', 403],
    ['deals:read&permission=contacts:write', 200],
    ['deals:read&permission=deals:write', 403],
    ['deals:write&permission=deals:read', 403],
  ] as const;
  for (const [wanted, status] of table) {
    for (const token of [user, client.token]) {
      const reply = await verify(api, `?permission=${wanted}`, token);
      t.equal(reply.status, status, wanted);
      if (status === 200) continue;
      refused(t, reply, 'permission_denied', wanted);
      t.ok(tellsNothing(reply), 'a refusal contains no identity');
    }
    for (const { token } of [{ token: loner.accessToken }, wide]) {
      refused(
        t,
        await verify(api, `?permission=${wanted}`, token),
        'organization_required',
        'the user acts for no organization',
      );
    }
  }
});

t.test('an invalid requirement is a configuration error, and no request is allowed', async (t) => {
  const { api, asClient } = await openForwardAuth(t);
  const { token } = await asClient(['*:*']);
  const many = (count: number) => `?${Array.from({ length: count }, () => 'permission=deals:read').join('&')}`;
  t.equal((await verify(api, many(20), token)).status, 200);
  for (const query of [
    '?permission=',
    '?permission',
    '?permission=deals',
    '?permission=Deals:read',
    '?permission=deals:read,deals:write',
    '?permission=deals:read%20',
    '?permission=deals:read%0A',
    '?permission=deals:read:all',
    '?permission=deals:read&permission=',
    '?permission[]=deals:read',
    '?permissions=deals:read',
    '?Permission=deals:read',
    '?permission=deals:read&page=2',
    many(21),
  ]) {
    const reply = await verify(api, query, token);
    refused(t, reply, 'validation_failed', query.slice(0, 40));
    t.match(reply.body.issues[0].path, /^query(\.|$)/);
  }
  for (const header of [
    'deals',
    'deals:read deals:write',
    'Deals:read',
    Array(21).fill('deals:read').join(','),
    '',
    ' ',
    ',',
    'deals:read,',
  ]) {
    const reply = await verify(api, '', token, { 'x-required-permission': header });
    refused(t, reply, 'bad_request', header.slice(0, 40));
    t.match(reply.body.detail, /X-Required-Permission/);
  }
});

t.test('X-Required-Permission adds to the required permissions, even if a client sent the header', async (t) => {
  const { api, service } = await openForwardAuth(t);
  const token = await tokenWith(service, ['x'], ['deals:read', 'deals:write']);
  const status = async (query: string, header: string) =>
    (await verify(api, query, token, { 'x-required-permission': header })).status;
  t.equal(await status('', 'deals:read'), 200);
  t.equal(await status('', ' deals:read , deals:write'), 200);
  t.equal(await status('', 'deals:read,deals:delete'), 403);
  t.equal(await status('?permission=deals:delete', 'deals:read'), 403, 'the header removes no requirement');
  t.equal(await status('?permission=deals:delete', ''), 400);
  t.equal(await status('?permission=deals:read', 'deals:delete'), 403);
  const twice = await sendRaw(
    api.url,
    requestHead(
      'GET',
      '/verify',
      `Authorization: Bearer ${token}`,
      'X-Required-Permission: deals:read',
      'X-Required-Permission: deals:delete',
    ),
  );
  t.equal(twice.status, 403, 'of two headers both count');
});

t.test('permissions that do not fit into the token are read from the database', async (t) => {
  const team = await openForwardAuth(t);
  const { api, app, organization } = team;
  const { userId, token } = await memberOfLargeRole(team);
  const reply = await verify(api, '?permission=things7:read', token);
  t.match(told(reply), { 'x-user-id': userId, 'x-permissions': '', 'x-permissions-elsewhere': 'true' });
  t.equal((await verify(api, '?permission=things7:write', token)).code, 'permission_denied');
  t.equal((await verify(api, '?permission=things7:read&permission=deals:delete', token)).code, 'permission_denied');
  await changeRights(
    app,
    { organizationId: organization.id, userId },
    'DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2',
  );
  t.equal((await verify(api, '?permission=things7:read', token)).code, 'token_stale');
});

t.test('role names with any letters arrive complete, and no role name starts a new header', async (t) => {
  const { api, service } = await openForwardAuth(t);
  const roles = ['Außendienst', 'a,b', 'a%2Cb', 'x\r\nX-User-ID: evil', '役割', ' ', 'a b', '"', '', '🦊', '\u0000'];
  const reply = await verify(api, '', await tokenWith(service, roles));
  t.equal(reply.status, 200);
  const value = reply.headers.get('x-roles') ?? '';
  t.match(value, /^[\x21-\x7e]*$/);
  t.strictSame(value.split(',').map(decodeURIComponent), roles);
  t.match(reply.headers.get('x-user-id'), /^[0-9a-f-]{36}$/);
});

t.test('each path below /verify/ gets the same answer with GET, HEAD, POST, PUT, PATCH and DELETE', async (t) => {
  const { api, service } = await openForwardAuth(t);
  const token = await tokenWith(service, ['x'], ['deals:read']);
  const whole = told(await verify(api, '', token));
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
    for (const path of ['/', '/deals/7', '/deals?permission=deals:delete&x[]=1', `/${'a/'.repeat(1000)}`]) {
      const reply = await api.call(method, `/verify${path}`, undefined, { token });
      t.equal(reply.status, 200, `${method} ${path.slice(0, 40)}`);
      t.strictSame(told(reply), whole);
      const denied = { token, headers: { 'x-required-permission': 'deals:delete' } };
      t.equal((await api.call(method, `/verify${path}`, undefined, denied)).status, 403, method);
      t.equal((await api.call(method, `/verify${path}`)).status, 401, method);
    }
  }
  for (const target of ['/verify/../api/v1/me', '/verify//healthz', '/verify/..%2fhealthz', '/verify/%2e%2e/docs']) {
    const bearer = `Authorization: Bearer ${token}`;
    const reply = await sendRaw(api.url, requestHead('GET', target, bearer));
    t.strictSame([reply.status, reply.text], [200, ''], `${target} is not forwarded`);
    t.equal((await sendRaw(api.url, requestHead('GET', target))).status, 401, target);
  }
});

t.test('/verify itself accepts only GET and HEAD, and similar paths and preflights are not allowed', async (t) => {
  const { api, service } = await openForwardAuth(t);
  const token = await tokenWith(service, ['x']);
  const withOrigins = await openService(t, await createDatabase(t), { CORS_ORIGINS: 'https://app.example' });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
    const reply = await api.call(method, '/verify', undefined, { token });
    t.match(reply, { status: 405, code: 'method_not_allowed' }, method);
    t.equal(reply.headers.get('allow'), 'GET, HEAD', method);
  }
  t.equal((await api.call('OPTIONS', '/verify/deals', undefined, { token })).status, 405);
  for (const path of ['/verify-all', '/verifyx', '/verify2/deals'])
    t.equal((await api.get(path, { token })).status, 404);
  for (const target of ['/Verify', '//verify', '/verify;x', '/%2fverify']) {
    const bearer = `Authorization: Bearer ${token}`;
    t.equal((await sendRaw(api.url, requestHead('GET', target, bearer))).status, 404, target);
  }
  const preflight = ['Origin: https://app.example', 'Access-Control-Request-Method: DELETE'];
  for (const path of ['/verify', '/verify/deals']) {
    const reply = await sendRaw(withOrigins.url, requestHead('OPTIONS', path, ...preflight));
    t.equal(reply.status, 405, `${path}: a preflight proves nothing, and some proxies forward a request after any 2xx`);
    t.notOk(IDENTITY_HEADERS.some((name) => reply.headers.has(name)));
  }
});

t.test('requests of a proxy have no rate limit', async (t) => {
  const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_OTHER: '3' };
  const { api, app } = await openService(t, await createDatabase(t), settings);
  await app.parts.revocations.synchronize();
  const { accessToken: token } = await newAccount(api);
  for (let asked = 0; asked < 20; asked += 1) {
    const replies = await Promise.all([
      verify(api, '', token),
      api.post('/verify/deals', undefined, { token }),
      api.get('/verify'),
      verify(api, '', 'x.y.z'),
    ]);
    t.strictSame(
      replies.map(({ status }) => status),
      [200, 200, 401, 401],
    );
    t.notOk(replies.some(({ headers }) => headers.has('ratelimit-limit')));
  }
});

t.test('spellings that a server may read as an identity header are recognised', async (t) => {
  for (const name of ['X-User-ID', 'x_user_id', 'X_User-Id', 'X.User.ID', 'x-USER_id', 'X-Permissions.Elsewhere']) {
    t.ok(isIdentityHeader(name), name);
  }
  for (const name of ['X-User', 'X-User-ID-2', 'XUser-ID', 'User-ID', 'X-Role', ''])
    t.notOk(isIdentityHeader(name), name);
});
