// Nobody gets more rights through a role. The tests try the ways that the endpoints of roles offer. The rights of the
// caller at the moment of the change count, not the rights in the token.
import t, { type Test } from 'tap';
import type { Reply } from '../../support/client.ts';
import { assignRole, replaceRoles, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, renewed } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';

const EXCEEDS = { status: 403, code: 'grant_exceeds_own' };
const DENIED = { status: 403, code: 'permission_denied' };

async function open(t: Test) {
  const team = await openTeam(t);
  const owner = await team.join('owner');
  const admin = await team.join('admin');
  const { api, database, organization } = team;
  const plant = (name: string, level: number, permissions: readonly string[]) =>
    seedRole(database, organization.id, { name, level, permissions });
  const rolesNow = () => database.query('SELECT *, xmin::text FROM roles ORDER BY id');
  /** Asserts that every attempt is refused, and that no role has changed. */
  const allRefused = async (t: Test, attempts: Readonly<Record<string, () => Promise<Reply>>>, how: object) => {
    const before = await rolesNow();
    for (const [what, attempt] of Object.entries(attempts)) t.match(await attempt(), how, what);
    t.same(await rolesNow(), before, 'no role was written');
  };
  return { ...team, api, owner, admin, plant, allRefused };
}

// The role admin of the crm preset has level 80. It has no users:remove, no billing:manage and no wildcard.
const BEYOND: Readonly<Record<string, object>> = {
  'a permission that the caller lacks': { permissions: ['users:remove'] },
  'a missing permission among others': { permissions: ['deals:read', 'billing:manage', 'users:read'] },
  'an unknown permission': { permissions: ['nuclear:launch'] },
  everything: { permissions: ['*:*'] },
  'every action on a resource': { permissions: ['deals:*'] },
  'every action on users': { permissions: ['users:*'] },
  'one action on every resource': { permissions: ['*:read'] },
  'a wildcard for an action that the caller lacks': { permissions: ['*:delete'] },
  'a level above the caller’s': { level: 81 },
  'the highest level': { level: 1000, permissions: [] },
};

t.test('a caller cannot create a role beyond their own rights', async (t) => {
  const { api, admin, owner, allRefused } = await open(t);
  const body = { name: 'mine', level: 80, permissions: ['deals:read'] };
  const attempts = Object.entries(BEYOND).map(([what, change]) => [
    what,
    () => api.post('/roles', { ...body, ...change }, { token: admin.token }),
  ]);
  await allRefused(t, Object.fromEntries(attempts), EXCEEDS);
  t.equal(
    (await api.post('/roles', body, { token: admin.token })).status,
    201,
    'a role within the caller’s rights is created',
  );
  const all = { name: 'all', level: 100, permissions: ['*:*', '*:read', 'users:*', 'nuclear:launch'] };
  t.equal((await api.post('/roles', all, { token: owner.token })).status, 201, '*:* can grant everything');
  t.match(
    await api.post('/roles', { ...all, name: 'more', level: 101 }, { token: owner.token }),
    EXCEEDS,
    'a higher level is still refused',
  );
});

t.test('no role can be extended beyond the caller’s rights, even if the caller has the role', async (t) => {
  const { api, admin, database, organization, plant, allRefused } = await open(t);
  const id = await plant('mine', 80, ['deals:read']);
  await assignRole(database, { organizationId: organization.id, userId: admin.userId, roleId: id });
  const attempts = Object.entries(BEYOND).map(([what, change]) => [
    what,
    () => api.patch(`/roles/${id}`, change, { token: admin.token }),
  ]);
  await allRefused(t, Object.fromEntries(attempts), EXCEEDS);
  t.equal((await api.patch(`/roles/${id}`, { permissions: ['deals:write'] }, { token: admin.token })).status, 200);
});

t.test('the caller’s wildcard covers its own permissions and no other wildcard', async (t) => {
  const { api, owner, join, plant, database, organization } = await open(t);
  const roleId = await plant('reader', 50, ['*:read', 'deals:*', 'roles:write']);
  const reader = await join('viewer');
  await assignRole(database, { organizationId: organization.id, userId: reader.userId, roleId });
  const token = await renewed(api, reader);
  const table: [permissions: string[], status: number][] = [
    [['*:read'], 201],
    [['anything:read', 'deals:read', 'deals:explode', 'deals:*'], 201],
    [['*:*'], 403],
    [['*:write'], 403],
    [['contacts:*'], 403],
    [['*:read', 'contacts:write'], 403],
  ];
  for (const [index, [permissions, status]] of table.entries()) {
    const reply = await api.post('/roles', { name: `r${index}`, level: 50, permissions }, { token });
    t.equal(reply.status, status, permissions.join(' '));
  }
  t.equal((await api.get('/roles', { token: owner.token })).status, 200);
});

t.test('a caller cannot put the permissions of a scoped role into another role', async (t) => {
  const { api, admin, plant, database, organization } = await open(t);
  const roleId = await plant('boss-of-p1', 500, ['users:remove', 'billing:manage']);
  await assignRole(database, { organizationId: organization.id, userId: admin.userId, roleId }, { project: 'p1' });
  const token = await renewed(api, admin);
  for (const change of [{ permissions: ['users:remove'] }, { level: 81 }]) {
    t.match(await api.post('/roles', { name: 'mine', level: 1, permissions: [], ...change }, { token }), EXCEEDS);
  }
});

t.test('a role above the caller’s rights can be neither changed, reduced nor deleted', async (t) => {
  const { api, admin, plant, allRefused } = await open(t);
  const higher = await plant('higher', 90, ['deals:read']);
  const wider = await plant('wider', 10, ['deals:read', 'billing:manage']);
  const { token } = admin;
  await allRefused(
    t,
    {
      'its level reduced': () => api.patch(`/roles/${higher}`, { level: 10 }, { token }),
      renamed: () => api.patch(`/roles/${higher}`, { name: 'lower' }, { token }),
      described: () => api.patch(`/roles/${higher}`, { description: 'x' }, { token }),
      'changed to its own level': () => api.patch(`/roles/${higher}`, { level: 90 }, { token }),
      deleted: () => api.delete(`/roles/${higher}`, { token }),
      'its permission removed': () => api.patch(`/roles/${wider}`, { permissions: [] }, { token }),
      'deleted for its permission': () => api.delete(`/roles/${wider}`, { token }),
    },
    EXCEEDS,
  );
});

t.test('no custom role gets the name of a system role, because services may trust these names', async (t) => {
  const { api, owner, plant, allRefused } = await open(t);
  const id = await plant('plain', 1, []);
  const { token } = owner;
  const attempts = ['owner', 'admin', 'agent', 'viewer'].flatMap((name) => [
    [`made as ${name}`, () => api.post('/roles', { name, level: 1, permissions: [] }, { token })],
    [`renamed to ${name}`, () => api.patch(`/roles/${id}`, { name }, { token })],
  ]);
  await allRefused(t, Object.fromEntries(attempts), { status: 409, code: 'role_name_taken' });
});

t.test('rights that were lost after the token was signed do not count', async (t) => {
  const { api, database, organization, admin, plant, allRefused } = await open(t);
  const id = await plant('plain', 1, ['deals:read']);
  const { token } = admin;
  const attempts = {
    make: () => api.post('/roles', { name: 'mine', level: 1, permissions: [] }, { token }),
    change: () => api.patch(`/roles/${id}`, { level: 0 }, { token }),
    delete: () => api.delete(`/roles/${id}`, { token }),
  };
  await replaceRoles(database, { organizationId: organization.id, userId: admin.userId, role: 'agent' }); // by SQL: the service gets no event
  t.equal((await api.get('/roles', { token })).status, 200, 'the token still contains the lost rights');
  await allRefused(t, attempts, DENIED);
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [admin.userId]);
  await allRefused(t, attempts, { status: 403, code: 'organization_access_denied' });
});

t.test('rights that are lost while the change waits for its lock do not count', async (t) => {
  const team = await open(t);
  const { api, database, organization, plant, allRefused, owner } = team;
  const id = await plant('plain', 1, ['billing:manage']);
  const second = await team.join('owner');
  const calls = [
    () => api.post('/roles', { name: 'mine', level: 90, permissions: ['billing:manage'] }, { token: second.token }),
    () => api.patch(`/roles/${id}`, { level: 90 }, { token: second.token }),
    () => api.delete(`/roles/${id}`, { token: second.token }),
  ];
  await allRefused(
    t,
    {
      all: async () => {
        const replies = await collide(t, team, calls, (ask) =>
          ask(
            `UPDATE role_assignments SET role_id = (SELECT id FROM roles WHERE name = 'admin' AND organization_id IS NULL)
             WHERE organization_id = $1 AND user_id = $2`,
            [organization.id, second.userId],
          ),
        );
        for (const reply of replies) t.match(reply, EXCEEDS);
        return replies[0] as Reply;
      },
    },
    EXCEEDS,
  );
  t.equal((await database.query('SELECT 1 FROM roles WHERE id = $1', [id])).length, 1);
  t.equal((await api.get(`/roles/${id}`, { token: owner.token })).status, 200);
});
