// Service clients as callers: what they can request from the API, which routes are only for users, and that a client is
// never treated as a user.
import t, { type Test } from 'tap';
import { suspendOrganization } from '../../../src/admin/organizations/organizations.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { seedMember } from '../../support/fixtures/people.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { app } = team.service;
  const { database, organization } = team;
  const asClient = (permissions: readonly string[], organizationId: string | null = organization.id) =>
    seedClientWithToken(app, database, { organizationId, permissions });
  return { ...team, app, asClient };
}

t.test('a client reads what its permissions allow, of its own organization only', async (t) => {
  const { api, join, database, organization, asClient } = await open(t);
  const owner = await join('owner');
  const other = await furtherTeam(database, api);
  const stranger = await other.join('owner');
  const all = await asClient(['*:*']);
  const { token } = all;
  for (const [path, permission] of [
    ['/users', 'users:read'],
    [`/users/${owner.userId}`, 'users:read'],
    ['/roles', 'roles:read'],
    ['/permissions', 'roles:read'],
    ['/organizations/current', 'organization:read'],
    ['/organizations/current/subscription', 'organization:read'],
  ] as const) {
    const seen = await api.get(path, { token });
    t.equal(seen.status, 200, path);
    t.strictSame(
      seen.body,
      (await api.get(path, { token: owner.token })).body,
      `${path}: a member gets the same answer`,
    );
    t.equal((await api.get(path, { token: (await asClient([permission])).token })).status, 200, permission);
    const less = await asClient(['users:write', 'roles:write', 'organization:update', 'deals:read']);
    t.match(await api.get(path, { token: less.token }), { status: 403, code: 'permission_denied' }, path);
    const named = await api.get(path, { token, headers: { 'x-tenant-id': other.organization.id } });
    t.match(named, { status: 403, code: 'tenant_mismatch' });
    t.equal((await api.get(path, { token, headers: { 'x-tenant-id': organization.slug } })).status, 200);
  }
  const [role] = (await api.get('/roles', { token })).body.data;
  t.equal((await api.get(`/roles/${role.id}`, { token })).status, 200);
  t.equal((await api.get(`/users/${stranger.userId}`, { token })).status, 404);
  t.equal((await api.get(`/users/${all.id}`, { token })).status, 404, 'the client is not a member itself');
});

t.test('a client can check the permissions of every member, and not its own', async (t) => {
  const { api, join, database, organization, asClient } = await open(t);
  const agent = await join('agent');
  const other = await furtherTeam(database, api);
  const stranger = await seedMember(database, other.organization.id, 'owner');
  const { id, token } = await asClient([]);
  const ask = (userId: string | undefined, resource = 'deals', action = 'write') =>
    api.post('/authz/check', { ...(userId ? { userId } : {}), resource, action }, { token });
  t.match((await ask(agent.userId)).body.data, { allowed: true, reason: 'granted' });
  t.match((await ask(agent.userId, 'billing', 'manage')).body.data, { allowed: false, reason: 'no_permission' });
  t.match((await ask(stranger)).body.data, { allowed: false, reason: 'not_a_member' });
  t.match((await ask(id)).body.data, { allowed: false, reason: 'not_a_member' }, 'a client id is not a user id');
  t.match(await ask(undefined), { status: 422, body: { issues: [{ path: 'userId', message: /is required/ }] } });
  const question = { resource: 'deals', action: 'write' };
  const checks = [
    { ...question, userId: agent.userId },
    { ...question, userId: stranger, explain: true },
  ];
  t.match((await api.post('/authz/check/batch', { checks }, { token })).body.data, [
    { allowed: true },
    { allowed: false, explanation: { heldRoles: [] } },
  ]);
  const one = await api.post('/authz/check/batch', { checks: [...checks, question] }, { token });
  t.match(one, { status: 422, body: { issues: [{ path: 'checks.2.userId' }] } });
  await database.query('DELETE FROM memberships WHERE organization_id = $1', [organization.id]);
  const gone = { userId: agent.userId, ...question, explain: true };
  t.equal((await api.post('/authz/check', gone, { token })).body.data.reason, 'not_a_member');
});

t.test('routes for users refuse every client, whatever permissions it has', async (t) => {
  const { api, asClient, join } = await open(t);
  const { token } = await asClient(['*:*']);
  const { userId, sessionId } = await join('agent');
  for (const [method, path, body] of [
    ['GET', '/me'],
    ['PATCH', '/me', { name: 'x' }],
    ['GET', '/me/sessions'],
    ['DELETE', '/me/sessions'],
    ['GET', '/me/organizations'],
    ['POST', '/organizations', { name: 'x' }],
    ['POST', '/auth/switch-organization', { organization: 'x' }],
    ['PATCH', '/organizations/current', { name: 'x' }],
    ['DELETE', '/organizations/current'],
    ['POST', '/users', { email: 'a@example.com', roles: [{ role: 'viewer' }] }],
    ['PATCH', `/users/${userId}`, { status: 'suspended' }],
    ['DELETE', `/users/${userId}`],
    ['GET', `/users/${userId}/sessions`],
    ['DELETE', `/users/${userId}/sessions/${sessionId}`],
    ['GET', '/invitations'],
    ['POST', '/roles', { name: 'x', level: 1, permissions: [] }],
    ['GET', '/admin/organizations'],
  ] as const) {
    t.match(await api.call(method, path, body, { token }), { status: 403, code: 'user_required' }, `${method} ${path}`);
  }
});

t.test('a client of the installation acts for no organization, even if a header names one', async (t) => {
  const { api, organization, asClient } = await open(t);
  const { token } = await asClient(['revocations:read'], null);
  for (const headers of [{}, { 'x-tenant-id': organization.id }, { 'x-organization-slug': organization.slug }]) {
    for (const path of ['/users', '/organizations/current', '/roles']) {
      const reply = await api.get(path, { token, headers });
      t.match(reply, { status: 403, code: /^(organization_required|tenant_mismatch)$/ }, path);
      t.notOk(reply.text.includes(organization.id));
    }
  }
});

t.test('the token of a client with its own audience is valid only for other services', async (t) => {
  const { api, app, database, organization } = await open(t);
  const settings = { organizationId: organization.id, permissions: ['*:*'], audience: 'warehouse' };
  const { token } = await seedClientWithToken(app, database, settings);
  t.match(await api.get('/users', { token }), { status: 401, code: 'invalid_token' });
});

t.test('the clients of a suspended organization are refused', async (t) => {
  const { api, app, organization, asClient } = await open(t);
  const { token } = await asClient(['*:*']);
  t.equal((await api.get('/users', { token })).status, 200);
  await suspendOrganization(app.parts, organization.id, null);
  t.match(await api.get('/users', { token }), { status: 401, code: 'organization_suspended' });
});
