// Changing a member: the effect, which is immediate and in every process, and the events.
import t from 'tap';
import type { TestDatabase } from '../../support/database.ts';
import { signInPerson } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, renewed } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { countRows, eventsAbout, heldRoles, ownersOf } from '../../support/rows.ts';

async function epochOf(database: TestDatabase, userId: string): Promise<number> {
  const [row] = await database.query<{ epoch: number }>('SELECT epoch FROM users WHERE id = $1', [userId]);
  return row?.epoch ?? -1;
}

t.test('new roles, by name or id and with scopes, replace all roles; a repeated pair is stored once', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const custom = await seedRole(database, organization.id, { name: 'dispatcher', level: 5, permissions: [] });
  const roles = [
    { role: 'viewer' },
    { role: custom.toUpperCase(), scope: { projectId: 'p1', stage: 2, live: true } },
    { role: 'dispatcher', scope: { live: true, projectId: 'p1', stage: 2 } },
    { role: 'dispatcher', scope: { projectId: 'p2' } },
    { role: 'viewer', scope: {} },
  ];
  const reply = await api.patch(`/users/${agent.userId}`, { roles }, { token: owner.token });
  t.equal(reply.status, 200);
  t.match(reply.body.data, { id: agent.userId, status: 'active', name: 'agent' });
  const held = await heldRoles(database, organization.id, agent.userId);
  t.equal(held.length, 3);
  t.match(held[0], /^dispatcher \{.*"projectId":"p1"/);
  t.same(held.slice(1), ['dispatcher {"projectId":"p2"}', 'viewer']);
  t.equal(reply.body.data.roles.length, 3);
  const read = await api.get(`/users/${agent.userId}`, { token: owner.token });
  t.same(read.body, reply.body, 'the answer equals a later read');
});

t.test('after a change of roles the older access token is stale, and the next has the new roles', async (t) => {
  const { database, api, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const before = await epochOf(database, agent.userId);
  await api.patch(`/users/${agent.userId}`, { roles: [{ role: 'admin' }] }, { token: owner.token });
  t.match(await api.get('/me', { token: agent.token }), { status: 401, code: 'token_stale' });
  t.equal((await api.get('/me', { token: owner.token })).status, 200, 'the tokens of others stay valid');
  const { claims } = partsOf(await renewed(api, agent));
  t.match(claims, { roles: ['admin'], epoch: before + 1 });
  t.same(await eventsAbout(database, agent.userId), ['member.roles_changed']);
  const [event] = await database.query(
    "SELECT actor_id, data FROM events WHERE target_id = $1 AND type = 'member.roles_changed'",
    [agent.userId],
  );
  t.same(event, { actor_id: owner.userId, data: { added: ['admin'], removed: ['agent'] } });
  const revoked = await database.query('SELECT kind, epoch FROM revocations WHERE subject = $1', [agent.userId]);
  t.same(revoked, [{ kind: 'user', epoch: before + 1 }], 'other processes read the same revocation');
});

t.test('a change to the same values writes nothing and ends no token', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  await assignRole(
    database,
    { organizationId: organization.id, userId: agent.userId, role: 'viewer' },
    { b: 1, a: 'x' },
  );
  const before = await Promise.all(
    ['events', 'revocations', 'role_assignments'].map((name) => countRows(database, name)),
  );
  const roles = [{ role: 'viewer', scope: { a: 'x', b: 1 } }, { role: 'agent' }];
  for (const body of [{ roles }, { status: 'active' }, { roles, status: 'active' }]) {
    t.equal((await api.patch(`/users/${agent.userId}`, body, { token: owner.token })).status, 200);
  }
  const after = await Promise.all(
    ['events', 'revocations', 'role_assignments'].map((name) => countRows(database, name)),
  );
  t.same(after, before);
  t.equal((await api.get('/me', { token: agent.token })).status, 200);
});

t.test('a suspended member loses access at once, even with old tokens, and regains it when activated', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const suspended = await api.patch(`/users/${agent.userId}`, { status: 'suspended' }, { token: owner.token });
  t.match(suspended, { status: 200, body: { data: { status: 'suspended' } } });
  t.match(await api.get('/me', { token: agent.token }), { status: 401, code: 'token_stale' });
  const { refreshToken } = agent;
  const denied = { status: 403, code: 'organization_access_denied' };
  t.match(await api.post('/auth/refresh', { refreshToken }), denied);
  await t.rejects(signInPerson(api, agent, organization.slug), /organization_access_denied/);
  const elsewhere = await signInPerson(api, agent);
  t.equal(partsOf(elsewhere.accessToken).claims.org, undefined, 'the user can still sign in');
  const headers = { 'x-tenant-id': organization.slug };
  t.match(
    await api.get('/users', { token: elsewhere.accessToken, headers }),
    denied,
    'a header does not give access to the organization',
  );
  t.equal((await api.patch(`/users/${agent.userId}`, { status: 'active' }, { token: owner.token })).status, 200);
  t.match(partsOf(await renewed(api, agent)).claims, { org: organization.id, roles: ['agent'] });
  t.same(await eventsAbout(database, agent.userId), ['member.suspended', 'member.activated']);
});

t.test('roles and status are changed together or not changed', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const { token } = admin;
  const refused = await api.patch(
    `/users/${agent.userId}`,
    { status: 'suspended', roles: [{ role: 'owner' }] },
    { token },
  );
  t.match(refused, { status: 403, code: 'grant_exceeds_own' });
  const unchanged = await api.get(`/users/${agent.userId}`, { token });
  t.match(unchanged.body.data, { status: 'active', roles: [{ name: 'agent' }] });
  const both = { status: 'suspended', roles: [{ role: 'viewer' }] };
  t.equal((await api.patch(`/users/${agent.userId}`, both, { token })).status, 200);
  t.same(await heldRoles(database, organization.id, agent.userId), ['viewer']);
  t.equal(await epochOf(database, agent.userId), 1, 'one change raises the epoch once');
  t.same((await eventsAbout(database, agent.userId)).sort(), ['member.roles_changed', 'member.suspended']);
});

t.test('the last active owner can neither give up the role nor suspend themselves', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const { token, userId } = owner;
  const second = await join('agent');
  const attempts = [
    () => api.patch(`/users/${userId}`, { roles: [{ role: 'admin' }] }, { token }),
    () => api.patch(`/users/${userId}`, { roles: [{ role: 'owner', scope: { a: 1 } }] }, { token }),
    () => api.patch(`/users/${userId}`, { status: 'suspended' }, { token }),
    () => api.delete(`/users/${userId}`, { token }),
    () => api.delete(`/me/organizations/${organization.id}`, { token }),
  ];
  const states: Record<string, string[]> = {
    'there is no other': [],
    'the other owner is an owner only in a scope': [`UPDATE role_assignments SET scope = '{"a":1}' WHERE user_id = $1`],
    'the other owner is suspended': [`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`],
    'the other owner’s account is disabled': [`UPDATE users SET status = 'disabled' WHERE id = $1`],
  };
  for (const [state, changes] of Object.entries(states)) {
    if (changes.length > 0)
      await assignRole(database, { organizationId: organization.id, userId: second.userId, role: 'owner' });
    for (const change of changes) await database.query(change, [second.userId]);
    const events = await countRows(database, 'events');
    for (const attempt of attempts) t.match(await attempt(), { status: 409, code: 'last_owner' }, state);
    t.same(await heldRoles(database, organization.id, userId), ['owner'], state);
    t.equal(await countRows(database, 'events'), events, 'a refused change has no event');
    await database.query(`UPDATE memberships SET status = 'active' WHERE user_id = $1`, [second.userId]);
    await database.query('DELETE FROM role_assignments WHERE user_id = $1', [second.userId]);
    await database.query(`UPDATE users SET status = 'active' WHERE id = $1`, [second.userId]);
  }
  t.equal((await api.get('/me', { token })).status, 200, 'the token still works');
  await assignRole(database, { organizationId: organization.id, userId: second.userId, role: 'owner' });
  const down = await api.patch(`/users/${userId}`, { roles: [{ role: 'admin' }] }, { token });
  t.equal(down.status, 200, 'an owner can give up the role while another owner exists');
  t.equal(await ownersOf(database, organization.id), 1);
});

t.test('a body with an invalid part is refused, and no part of the body is applied', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const scopes: unknown[] = [
    { a: 2 ** 53 },
    { a: -(2 ** 53) },
    null,
    [],
    'p1',
    { 'a b': 1 },
    { '1a': 1 },
    { ['a'.repeat(41)]: 1 },
    { toString: 'x' },
    { prototype: 'x' },
    { a: null },
    { a: ['x'] },
    { a: { b: 1 } },
    { a: 'x'.repeat(201) },
    { a: 'x\u0000' },
    { a: 'line\nbreak' },
    { a: 1e300 },
    { a: 1e-7 },
    Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, 1])),
    Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, '€'.repeat(200)])),
  ];
  const bodies: unknown[] = [
    {},
    { roles: [] },
    { roles: Array.from({ length: 21 }, () => ({ role: 'agent' })) },
    { roles: ['agent'] },
    { roles: [{ name: 'agent' }] },
    { roles: [{ role: 'Not A Role' }] },
    { roles: [{ role: 'agent', level: 100 }] },
    { status: 'disabled' },
    { status: 'active', organizationId: organization.id },
    { status: 'active', email: 'x@example.com' },
    { status: 'active', password: 'correct horse battery' },
    { status: 'active', name: 'Other' },
    ...scopes.map((scope) => ({ roles: [{ role: 'agent', scope }] })),
  ];
  for (const body of bodies) {
    const reply = await api.patch(`/users/${agent.userId}`, body, { token: owner.token });
    t.match(reply, { status: 422, code: 'validation_failed' }, JSON.stringify(body).slice(0, 80));
  }
  for (const name of ['__proto__', 'constructor']) {
    const raw = `{"roles":[{"role":"agent","scope":{"${name}":"x"}}]}`;
    const headers = { 'content-type': 'application/json' };
    const reply = await api.call('PATCH', `/users/${agent.userId}`, undefined, { token: owner.token, raw, headers });
    t.match(reply, { status: 422, code: 'validation_failed' }, name);
  }
  t.same(await heldRoles(database, organization.id, agent.userId), ['agent']);
  const largest = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`k${index}`, '"'.repeat(95)]));
  for (const scope of [{}, { a: '', b: -0.5, c: false, d: 2 ** 53 - 1, e: '"\\ é€' }, largest]) {
    const roles = [{ role: 'agent', scope }];
    const reply = await api.patch(`/users/${agent.userId}`, { roles }, { token: owner.token });
    t.equal(reply.status, 200, reply.text);
    t.same(reply.body.data.roles[0].scope, scope, 'a valid scope is stored unchanged');
    const [before] = await database.query('SELECT id FROM role_assignments WHERE user_id = $1', [agent.userId]);
    await api.patch(`/users/${agent.userId}`, { roles }, { token: owner.token });
    const [after] = await database.query('SELECT id FROM role_assignments WHERE user_id = $1', [agent.userId]);
    t.same(after, before, 'the same scope is recognised again');
  }
});
