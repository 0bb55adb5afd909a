// Forward authentication as a proxy uses it: which requests are refused, and the answers while the service cannot
// decide.
import t from 'tap';
import { admit } from '../../../src/access/forward-auth/forward.ts';
import { suspendOrganization } from '../../../src/admin/organizations/organizations.ts';
import type { CallOptions } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { furtherTeam, type Teammate } from '../../support/fixtures/team.ts';
import { refused } from '../../support/raw.ts';
import { routeDatabase } from '../../support/servers/database-proxy.ts';
import { openService } from '../../support/service.ts';
import { memberOfLargeRole, openForwardAuth, tellsNothing, tokenWith, told, verify } from './forward.ts';

t.test('an invalid token gets 401 with a challenge, as on every route', async (t) => {
  const { api, app, service, join, organization, asClient } = await openForwardAuth(t);
  const ask = async (what: string, code: string, options: CallOptions, challenge = 'Bearer error="invalid_token"') => {
    for (const path of ['/verify', '/verify?permission=deals:read', '/verify/deals']) {
      const reply = await api.get(path, options);
      t.match(reply, { status: 401, code }, `${what}: ${path}`);
      t.equal(reply.headers.get('www-authenticate'), challenge, what);
      t.ok(tellsNothing(reply), what);
    }
  };
  await ask('none', 'unauthenticated', {}, 'Bearer');
  await ask('garbage', 'invalid_token', { token: 'x.y.z' });
  await ask('another scheme', 'invalid_token', { headers: { authorization: 'Basic YTpi' } });
  const [gone, changed, member]: Teammate[] = [await join('agent'), await join('agent'), await join('agent')];
  await ask('a refresh token', 'invalid_token', { token: member?.refreshToken ?? '' });
  await api.post('/auth/logout', {}, { token: gone?.token ?? '' });
  await ask('of an ended session', 'session_revoked', { token: gone?.token ?? '' });
  const admin = await join('owner');
  await api.patch(`/users/${changed?.userId}`, { roles: [{ role: 'viewer' }] }, { token: admin.token });
  await ask('from before a change of rights', 'token_stale', { token: changed?.token ?? '' });
  const client = await asClient(['*:*']);
  await suspendOrganization(app.parts, organization.id, null);
  for (const { token } of [member, client] as { token: string }[]) {
    await ask('of a suspended organization', 'organization_suspended', { token });
  }
  const { accessToken } = await newAccount(api);
  service.clock.advance(3600);
  await ask('expired', 'token_expired', { token: accessToken });
});

t.test('tenant headers select the organization only for a token without an organization', async (t) => {
  const { api, database, join, organization, asClient } = await openForwardAuth(t);
  const agent = await join('agent');
  const loner = await newAccountWithoutOrganization(api);
  const other = await furtherTeam(database, api);
  const own = await seedOrganizationOf(database, loner.userId, { slug: 'loners-own', role: 'viewer' });
  for (const name of ['x-tenant-id', 'x-organization-slug']) {
    const named = (token: string, value: string, query = '') => verify(api, query, token, { [name]: value });
    t.equal((await named(agent.token, organization.slug)).status, 200);
    for (const { token } of [agent, await asClient(['*:*']), await asClient([], null)]) {
      refused(t, await named(token, other.organization.slug), 'tenant_mismatch', name);
      refused(t, await named(token, 'acme!'), 'bad_request', name);
    }
    const chosen = await named(loner.accessToken, 'loners-own');
    t.match(told(chosen), { 'x-user-id': loner.userId, 'x-organization-id': own, 'x-roles': 'viewer' });
    t.not(chosen.headers.get('x-permissions'), '');
    t.equal((await named(loner.accessToken, 'loners-own', '?permission=contacts:read')).status, 200);
    refused(t, await named(loner.accessToken, 'loners-own', '?permission=deals:delete'), 'permission_denied', name);
    refused(t, await named(loner.accessToken, other.organization.slug), 'organization_access_denied', name);
  }
});

t.test(
  'without PostgreSQL answers come from memory, and a request that needs PostgreSQL gets 503, never 401',
  async (t) => {
    const team = await openForwardAuth(t);
    const { proxy, routed } = await routeDatabase(t, team.database);
    const { api, app } = await openService(t, routed);
    await app.parts.revocations.synchronize();
    const { token } = await team.join('agent');
    const large = await memberOfLargeRole(team);
    const loner = await newAccountWithoutOrganization(team.api);
    const gone = await team.join('agent');
    await team.api.post('/auth/logout', {}, { token: gone.token });
    await app.parts.revocations.synchronize();
    proxy.cut();

    t.equal((await verify(api, '?permission=deals:read', token)).status, 200);
    t.equal((await verify(api, '?permission=billing:manage', token)).code, 'permission_denied');
    t.equal((await verify(api, '', gone.token)).code, 'session_revoked');
    t.equal((await verify(api, '', 'x.y.z')).code, 'invalid_token');
    t.equal((await verify(api, '', large.token)).status, 200);
    for (const reply of [
      await verify(api, '?permission=things7:read', large.token),
      await verify(api, '', loner.accessToken, { 'x-tenant-id': team.organization.id }),
    ]) {
      t.match(reply, { status: 503, code: 'database_unavailable' });
      t.equal(reply.headers.get('retry-after'), '1');
      t.notOk(reply.headers.has('www-authenticate'));
    }
  },
);

t.test('while revocations are unknown no request is allowed, and no answer is 401', async (t) => {
  const team = await openForwardAuth(t);
  const { token } = await team.join('agent');
  const client = await team.asClient(['*:*']);
  const { proxy, routed } = await routeDatabase(t, team.database);
  proxy.cut();
  const { api, app } = await openService(t, routed);
  const paths = ['/verify', '/verify?permission=deals:read', '/verify?permission=billing:manage', '/verify/deals'];
  for (const good of [token, client.token]) {
    for (const path of paths) {
      const reply = await api.get(path, { token: good });
      t.match(reply, { status: 503, code: 'revocations_stale' }, path);
      t.equal(reply.headers.get('retry-after'), '1');
      t.ok(tellsNothing(reply));
    }
  }
  t.equal((await api.get('/verify')).code, 'unauthenticated');
  proxy.pass();
  await app.parts.revocations.synchronize();
  t.equal((await api.get('/verify?permission=deals:read', { token })).status, 200);
});

t.test('revocations that were read up to half a minute ago are recent enough, and older ones are not', async (t) => {
  const service = await openService(t, await createDatabase(t));
  const caller = await service.app.parts.authenticate(`Bearer ${await tokenWith(service, [])}`, {
    alsoSuspended: false,
  });
  const asked = (seconds: number) =>
    admit({ revocations: { freshSecondsAgo: () => seconds }, holds: () => true }, caller, []);
  for (const seconds of [0, 29, 30]) t.match(await asked(seconds), { 'x-user-id': caller.id });
  for (const seconds of [30.1, 3600, Number.POSITIVE_INFINITY, Number.NaN]) {
    await t.rejects(asked(seconds), { code: 'revocations_stale' }, String(seconds));
  }
});
