// Nobody grants rights that they lack, or changes a member who outranks them. The tests try the ways that the endpoints
// of members offer.
import t from 'tap';
import { assignRole, replaceRoles, seedRole } from '../../support/fixtures/roles.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';
import { heldRoles } from '../../support/rows.ts';

const EXCEEDS = { status: 403, code: 'grant_exceeds_own' };
const OUTRANKED = { status: 403, code: 'member_outranks_you' };

t.test('nobody can grant a role with a permission or level that they lack, in any scope', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const tooMuch = {
    'one-permission': { level: 1, permissions: ['billing:manage'] },
    'a-wildcard': { level: 1, permissions: ['contacts:*'] },
    'all-reading': { level: 1, permissions: ['*:read'] },
    everything: { level: 1, permissions: ['*:*'] },
    'one-level': { level: 81, permissions: [] },
  };
  const ids: string[] = [];
  for (const [name, role] of Object.entries(tooMuch)) {
    ids.push(await seedRole(database, organization.id, { name, ...role }));
  }
  await seedRole(database, organization.id, { name: 'peer', level: 80, permissions: ['contacts:read'] });
  for (const role of ['owner', ...Object.keys(tooMuch), ...ids]) {
    for (const scope of [{}, { projectId: 'p1' }]) {
      for (const target of [agent, admin]) {
        const roles = [{ role: 'admin' }, { role, scope }];
        const reply = await api.patch(`/users/${target.userId}`, { roles }, { token: admin.token });
        t.match(reply, EXCEEDS, `${role} ${JSON.stringify(scope)}`);
      }
    }
  }
  t.same(await heldRoles(database, organization.id, agent.userId), ['agent']);
  t.same(await heldRoles(database, organization.id, admin.userId), ['admin']);
  const within = await api.patch(
    `/users/${agent.userId}`,
    { roles: [{ role: 'admin' }, { role: 'peer', scope: { a: 1 } }] },
    { token: admin.token },
  );
  t.equal(within.status, 200, 'callers can grant their own rights');
});

t.test('a caller cannot grant rights that they have only in a scope', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  await assignRole(
    database,
    { organizationId: organization.id, userId: admin.userId, role: 'owner' },
    { projectId: 'p1' },
  );
  for (const scope of [{ projectId: 'p1' }, {}]) {
    for (const target of [agent, admin]) {
      const roles = [{ role: 'admin' }, { role: 'owner', scope }];
      if (target === admin && 'projectId' in scope) roles.push({ role: 'owner', scope: { projectId: 'p2' } });
      const reply = await api.patch(`/users/${target.userId}`, { roles }, { token: admin.token });
      t.match(reply, EXCEEDS, JSON.stringify(scope));
    }
  }
  const down = await api.patch(`/users/${admin.userId}`, { roles: [{ role: 'admin' }] }, { token: admin.token });
  t.equal(down.status, 200, 'own roles can be removed, even a role of a higher level in another scope');
});

t.test('a member of a higher level, in any scope, cannot be changed, suspended or removed', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const chief = await seedRole(database, organization.id, {
    name: 'remover',
    level: 80,
    permissions: ['users:update', 'users:remove', 'users:read'],
  });
  const remover = await join('viewer');
  await replaceRoles(database, { organizationId: organization.id, userId: remover.userId, role: 'remover' });
  const owner = await join('owner');
  const scoped = await join('agent');
  await assignRole(
    database,
    { organizationId: organization.id, userId: scoped.userId, role: 'owner' },
    { projectId: 'p1' },
  );
  const fresh = await api.post('/auth/refresh', { refreshToken: remover.refreshToken });
  const token = fresh.body.data.accessToken;
  t.equal(fresh.body.data.roles[0], 'remover');
  for (const target of [owner, scoped]) {
    const held = await heldRoles(database, organization.id, target.userId);
    for (const body of [{ roles: [{ role: chief }] }, { status: 'suspended' }, { status: 'active' }]) {
      t.match(await api.patch(`/users/${target.userId}`, body, { token }), OUTRANKED, JSON.stringify(body));
    }
    t.match(await api.delete(`/users/${target.userId}`, { token }), OUTRANKED);
    t.same(await heldRoles(database, organization.id, target.userId), held);
  }
  const peer = await join('admin');
  t.equal(
    (await api.delete(`/users/${peer.userId}`, { token })).status,
    204,
    'a member of the same level can be removed',
  );
});

t.test('the current roles of a member are not checked again, but a new scope of a current role is', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  await seedRole(database, organization.id, { name: 'payer', level: 1, permissions: ['billing:manage'] });
  await assignRole(
    database,
    { organizationId: organization.id, userId: agent.userId, role: 'payer' },
    { projectId: 'p1' },
  );
  const change = (...roles: object[]) => api.patch(`/users/${agent.userId}`, { roles }, { token: admin.token });
  const kept = { role: 'payer', scope: { projectId: 'p1' } };
  t.equal((await change(kept, { role: 'viewer' })).status, 200);
  t.match(await change({ role: 'payer' }, { role: 'viewer' }), EXCEEDS, 'a scope cannot be removed');
  t.match(await change({ role: 'payer', scope: { projectId: 'p2' } }), EXCEEDS);
  t.match(await change(kept, { role: 'payer', scope: { projectId: 1 } }), EXCEEDS);
  t.same(await heldRoles(database, organization.id, agent.userId), ['payer {"projectId":"p1"}', 'viewer']);
  t.equal((await change({ role: 'viewer' })).status, 200, 'the role can be removed');
  t.match(await change(kept), EXCEEDS, 'a removed role cannot be granted again');
});

t.test('a caller cannot raise their own rights', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  await seedRole(database, organization.id, { name: 'updater', level: 40, permissions: ['users:update'] });
  for (const role of ['admin', 'updater']) {
    const person = await join('viewer');
    await replaceRoles(database, { organizationId: organization.id, userId: person.userId, role });
    const { accessToken: token } = (await api.post('/auth/refresh', { refreshToken: person.refreshToken })).body.data;
    for (const wanted of role === 'admin' ? ['owner'] : ['owner', 'admin', 'agent']) {
      const roles = [{ role }, { role: wanted }];
      t.match(await api.patch(`/users/${person.userId}`, { roles }, { token }), EXCEEDS, `${role} to ${wanted}`);
    }
    t.same(await heldRoles(database, organization.id, person.userId), [role]);
  }
});

t.test('a role or member of another organization gets the same answer as an unknown one', async (t) => {
  const { database, api, join, organization } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const other = await furtherTeam(database, api);
  const theirs = await other.join('agent');
  const theirRole = await seedRole(database, other.organization.id, { name: 'theirs', level: 1, permissions: [] });
  const { token } = owner;
  const bodyOf = async (reply: Promise<{ status: number; body: object }>) => {
    const { status, body } = await reply;
    return { status, ...body, requestId: '' };
  };
  const give = (role: string) => bodyOf(api.patch(`/users/${agent.userId}`, { roles: [{ role }] }, { token }));
  const unknown = '01970000-0000-7000-8000-000000000000';
  t.match(await give(unknown), { status: 404, code: 'not_found' });
  t.same(await give(theirRole), await give(unknown));
  t.same(await give('theirs'), await give('unknown'));
  const roles = [{ role: 'viewer' }];
  for (const call of [
    (id: string) => bodyOf(api.get(`/users/${id}`, { token })),
    (id: string) => bodyOf(api.patch(`/users/${id}`, { roles }, { token })),
    (id: string) => bodyOf(api.patch(`/users/${id}`, { status: 'suspended' }, { token })),
    (id: string) => bodyOf(api.delete(`/users/${id}`, { token })),
    (id: string) =>
      bodyOf(api.delete(`/me/organizations/${id === theirs.userId ? other.organization.id : id}`, { token })),
  ]) {
    t.match(await call(unknown), { status: 404, code: 'not_found' });
    t.same(await call(theirs.userId), await call(unknown));
  }
  const headers = { 'x-tenant-id': other.organization.slug };
  const named = await api.patch(`/users/${theirs.userId}`, { roles }, { token, headers });
  t.match(named, { status: 403, code: 'tenant_mismatch' }, 'a header does not give access');
  t.same(await heldRoles(database, other.organization.id, theirs.userId), ['agent']);
  t.same(await heldRoles(database, organization.id, agent.userId), ['agent']);
});

t.test('a role whose name equals the id of another role is not confused with the other role', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const [owner] = await database.query<{ id: string }>("SELECT id FROM roles WHERE name = 'owner'");
  const name = `a${owner?.id.slice(1)}`;
  await database.query('UPDATE roles SET id = $1 WHERE id = $2', [name, owner?.id]);
  await seedRole(database, organization.id, { name, level: 1, permissions: [] });
  const reply = await api.patch(`/users/${agent.userId}`, { roles: [{ role: name }] }, { token: admin.token });
  t.match(reply, EXCEEDS);
});

t.test('rights that the caller loses between the token and the commit do not count', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const owner = await join('owner');
  const agent = await join('agent');
  const becomes =
    (userId: string, role: string) => async (ask: (text: string, values: unknown[]) => Promise<unknown>) => {
      await ask('UPDATE role_assignments SET role_id = r.id FROM roles r WHERE r.name = $2 AND user_id = $1', [
        userId,
        role,
      ]);
    };
  const roles = [{ role: 'admin' }];
  const cases = {
    'a demoted owner': {
      change: becomes(owner.userId, 'viewer'),
      patch: 'permission_denied',
      remove: 'permission_denied',
    },
    'an owner who has become an admin': {
      change: becomes(owner.userId, 'admin'),
      patch: '',
      remove: 'permission_denied',
    },
    'a suspended owner': {
      change: (ask: (text: string, values: unknown[]) => Promise<unknown>) =>
        ask("UPDATE memberships SET status = 'suspended' WHERE user_id = $1", [owner.userId]),
      patch: 'organization_access_denied',
      remove: 'organization_access_denied',
    },
    'a target that was raised above the caller': {
      change: async (ask: (text: string, values: unknown[]) => Promise<unknown>) => {
        await becomes(owner.userId, 'admin')(ask);
        await becomes(agent.userId, 'owner')(ask);
      },
      patch: 'member_outranks_you',
      remove: 'permission_denied',
    },
  };
  for (const [what, { change, patch, remove }] of Object.entries(cases)) {
    await replaceRoles(database, { organizationId: organization.id, userId: owner.userId, role: 'owner' });
    await replaceRoles(database, { organizationId: organization.id, userId: agent.userId, role: 'agent' });
    await database.query("UPDATE memberships SET status = 'active'");
    const { accessToken: token } = (await api.post('/auth/refresh', { refreshToken: owner.refreshToken })).body.data;
    const calls = [
      () => api.delete(`/users/${agent.userId}`, { token }),
      () => api.patch(`/users/${agent.userId}`, { roles }, { token }),
    ];
    const [removed, patched] = await collide(t, team, calls, change);
    t.equal(removed?.code, remove, what);
    t.equal(patched?.code ?? '', patch, what);
  }
});

t.test('the rights that a role has at the moment of the grant are checked', async (t) => {
  const team = await openTeam(t);
  const { database, api, organization, join } = team;
  const admin = await join('admin');
  const agent = await join('agent');
  const role = await seedRole(database, organization.id, { name: 'growing', level: 1, permissions: [] });
  const give = () => api.patch(`/users/${agent.userId}`, { roles: [{ role }] }, { token: admin.token });
  const [refused] = await collide(t, team, [give], (ask) =>
    ask(`UPDATE roles SET permissions = '{billing:manage}' WHERE id = $1`, [role]),
  );
  t.match(refused, EXCEEDS);
  const [given] = await collide(t, team, [give], (ask) =>
    ask(`UPDATE roles SET permissions = '{}' WHERE id = $1`, [role]),
  );
  t.equal(given?.status, 200);
});
