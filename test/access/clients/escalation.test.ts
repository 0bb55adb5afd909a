// Nobody gets more rights through a service client. The tests try ways to control a client with more rights, and each
// is refused. The rights of the caller at the moment of the change count, not the rights in the token.
import t, { type Test } from 'tap';
import type { Reply } from '../../support/client.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { assignRole, replaceRoles, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, renewed, type Team } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';
import { keyPair } from '../client-authentication/signing.ts';

const EXCEEDS = { status: 403, code: 'grant_exceeds_own' };
const DENIED = { status: 403, code: 'permission_denied' };
const HELD = ['clients:manage', 'deals:read', 'deals:write', 'reports:*', '*:list'];

/** A member who can manage clients, and has no permissions except HELD. */
async function joinManager({ api, database, organization, join }: Team, permissions = HELD) {
  const member = await join('viewer');
  const roleId = await seedRole(database, organization.id, { name: `r${member.userId.slice(-8)}`, permissions });
  await database.query('DELETE FROM role_assignments WHERE user_id = $1', [member.userId]);
  const assignment = { organizationId: organization.id, userId: member.userId, roleId };
  await assignRole(database, assignment);
  return { ...member, ...assignment, token: await renewed(api, member) };
}

async function open(t: Test) {
  const team = await openTeam(t);
  const { database, organization } = team;
  const seed = (permissions: readonly string[], keys?: readonly object[]) =>
    seedClient(database, { organizationId: organization.id, permissions, ...(keys ? { keys } : {}) });
  const state = () =>
    database.query(
      'SELECT c.*, c.xmin::text, s.* FROM clients c LEFT JOIN client_secrets s ON s.client_id = c.id ORDER BY c.id',
    );
  /** Asserts that every attempt is refused, and that no client and no secret has changed. */
  const allRefused = async (t: Test, attempts: Readonly<Record<string, () => Promise<Reply>>>, how: object) => {
    const before = await state();
    for (const [what, attempt] of Object.entries(attempts)) t.match(await attempt(), how, what);
    t.same(await state(), before, 'nothing was written');
  };
  return { ...team, manager: await joinManager(team), seed, allRefused };
}

const BEYOND: Readonly<Record<string, readonly string[]>> = {
  'a permission that the caller lacks': ['deals:delete'],
  'a missing permission among others': ['deals:read', 'users:read'],
  'every action on a resource': ['deals:*'],
  'one action on every resource': ['*:read'],
  everything: ['*:*'],
  'an unknown permission': ['nuclear:launch'],
};

t.test(
  'a caller can neither create a client with more rights than their own, nor give one more rights than their own',
  async (t) => {
    const { api, manager, seed, allRefused } = await open(t);
    const { token } = manager;
    const { id } = await seed(['deals:read']);
    const attempts = Object.entries(BEYOND).flatMap(([what, permissions]) => [
      [`made with ${what}`, () => api.post('/clients', { name: 'mine', permissions }, { token })],
      [`changed to ${what}`, () => api.patch(`/clients/${id}`, { permissions }, { token })],
    ]);
    await allRefused(t, Object.fromEntries(attempts), EXCEEDS);
    const permissions = [
      'deals:read',
      'deals:write',
      'reports:*',
      'reports:print',
      'users:list',
      '*:list',
      'clients:manage',
    ];
    t.equal(
      (await api.post('/clients', { name: 'mine', permissions }, { token })).status,
      201,
      'a client within the caller’s rights is created',
    );
    t.equal((await api.patch(`/clients/${id}`, { permissions }, { token })).status, 200);
  },
);

t.test('a client with more rights than the caller cannot be taken over, but can always be disabled', async (t) => {
  const { api, database, manager, seed, allRefused } = await open(t);
  const { token } = manager;
  const wide = await seed(['billing:manage', 'deals:read']);
  const asleep = await seed(['billing:manage']);
  await database.query(`UPDATE clients SET status = 'disabled' WHERE id = $1`, [asleep.id]);
  const signing = await seed(['billing:manage'], [keyPair('P-256').jwk]);
  const mine = { keys: [keyPair('P-256', 'second').jwk] };
  const patch = (id: string, body: object) => () => api.patch(`/clients/${id}`, body, { token });
  await allRefused(
    t,
    {
      'its secret rotated': () => api.post(`/clients/${wide.id}/secret`, {}, { token }),
      'its secret rotated without overlap': () =>
        api.post(`/clients/${wide.id}/secret`, { overlapSeconds: 0 }, { token }),
      'its secret rotated while it is disabled': () => api.post(`/clients/${asleep.id}/secret`, {}, { token }),
      'its keys replaced': patch(signing.id, { jwks: mine }),
      'its keys replaced while it is being disabled': patch(signing.id, { jwks: mine, status: 'disabled' }),
      'its audience changed': patch(wide.id, { audience: 'elsewhere' }),
      enabled: patch(asleep.id, { status: 'active' }),
      'enabled and narrowed at once': patch(asleep.id, { status: 'active', permissions: [] }),
      narrowed: patch(wide.id, { permissions: ['deals:read'] }),
    },
    EXCEEDS,
  );
  t.equal((await patch(wide.id, { name: 'renamed', description: 'x' })()).status, 200, 'a name gives no rights');
  t.equal(
    (await patch(wide.id, { permissions: ['billing:manage', 'deals:read'] })()).status,
    200,
    'equal values give no rights',
  );
  t.equal((await patch(asleep.id, { status: 'disabled' })()).status, 200);
  t.equal((await patch(wide.id, { status: 'disabled' })()).status, 200, 'it can be disabled');
  t.equal((await api.delete(`/clients/${wide.id}/secret`, { token })).status, 204, 'its former secrets can be ended');
  for (const { id } of [wide, asleep, signing]) t.equal((await api.delete(`/clients/${id}`, { token })).status, 204);
});

t.test('a member cannot give a client the permissions of a scoped role', async (t) => {
  const { api, database, organization, manager } = await open(t);
  const roleId = await seedRole(database, organization.id, { name: 'boss', permissions: ['billing:manage'] });
  await assignRole(database, { ...manager, roleId }, { project: 'p1' });
  const token = await renewed(api, manager);
  t.match(await api.post('/clients', { name: 'mine', permissions: ['billing:manage'] }, { token }), EXCEEDS);
});

t.test('rights that were lost after the token was signed do not count', async (t) => {
  const { api, database, organization, manager, seed, allRefused } = await open(t);
  const { token, userId } = manager;
  const { id } = await seed(['deals:read']);
  const attempts = {
    make: () => api.post('/clients', { name: 'mine', permissions: [] }, { token }),
    change: () => api.patch(`/clients/${id}`, { name: 'x' }, { token }),
    disable: () => api.patch(`/clients/${id}`, { status: 'disabled' }, { token }),
    rotate: () => api.post(`/clients/${id}/secret`, {}, { token }),
    'end the overlap': () => api.delete(`/clients/${id}/secret`, { token }),
    delete: () => api.delete(`/clients/${id}`, { token }),
  };
  await replaceRoles(database, { organizationId: organization.id, userId: userId, role: 'agent' }); // by SQL: the service gets no event
  t.equal((await api.get('/clients', { token })).status, 200, 'the token still contains the lost rights');
  await allRefused(t, attempts, DENIED);
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [userId]);
  await allRefused(t, attempts, { status: 403, code: 'organization_access_denied' });
  await database.query(`UPDATE organizations SET status = 'suspended'`);
  await allRefused(t, attempts, { status: 403, code: 'organization_suspended' });
});

t.test('rights that are lost while the change waits for its lock do not count', async (t) => {
  const team = await open(t);
  const { api, manager, seed, allRefused } = team;
  const { token } = manager;
  const [secret, signing] = [await seed(['deals:write']), await seed(['deals:write'], [keyPair('P-256').jwk])];
  const calls = [
    () => api.post('/clients', { name: 'mine', permissions: ['deals:write'] }, { token }),
    () => api.patch(`/clients/${secret.id}`, { permissions: ['deals:read', 'deals:write'] }, { token }),
    () => api.post(`/clients/${secret.id}/secret`, {}, { token }),
    () => api.patch(`/clients/${signing.id}`, { jwks: { keys: [keyPair('P-256', 'second').jwk] } }, { token }),
  ];
  await allRefused(
    t,
    {
      all: async () => {
        const replies = await collide(t, team, calls, (ask) =>
          ask(`UPDATE roles SET permissions = '{clients:manage,deals:read}' WHERE id = $1`, [manager.roleId]),
        );
        for (const reply of replies) t.match(reply, EXCEEDS);
        return replies[0] as Reply;
      },
    },
    EXCEEDS,
  );
});

t.test('no service client creates, changes or reads clients, whatever permissions it has', async (t) => {
  const { api, database, organization, service, seed } = await open(t);
  const all = await seed(['*:*']);
  const other = await seed([]);
  const token = await tokenOfClient(service.app, database, all.id);
  const path = `/clients/${other.id}`;
  const replies = [
    await api.get('/clients', { token }),
    await api.get(path, { token }),
    await api.post('/clients', { name: 'mine', permissions: [] }, { token }),
    await api.patch(path, { status: 'disabled' }, { token }),
    await api.post(`${path}/secret`, {}, { token }),
    await api.delete(`${path}/secret`, { token }),
    await api.delete(path, { token }),
    await api.post(`/clients/${all.id}/secret`, {}, { token }),
  ];
  for (const reply of replies) t.match(reply, { status: 403, code: 'user_required' });
  t.equal((await database.query('SELECT 1 FROM clients WHERE organization_id = $1', [organization.id])).length, 2);
});
