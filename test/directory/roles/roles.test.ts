// Roles over HTTP: listing, creating, changing and deleting roles, the refusals, and the effect of each change.
import t, { type Test } from 'tap';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { furtherTeam, openTeam, renewed, type Team, type Teammate } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { UNREAD_INVITATION } from '../../support/personal.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const owner = await team.join('owner');
  return { ...team, owner, token: owner.token };
}

const CLOSER = { name: 'closer', description: 'Closes deals.', level: 30, permissions: ['deals:write', 'deals:read'] };

async function make({ api }: Team, { token }: Pick<Teammate, 'token'>, change: object = {}): Promise<string> {
  const reply = await api.post('/roles', { ...CLOSER, ...change }, { token });
  if (reply.status !== 201) throw new Error(`POST /roles answered ${reply.status}: ${reply.text}`);
  return reply.body.data.id;
}

async function eventsOf({ database, organization }: Team) {
  return database.query(
    `SELECT type, actor_id, target_id, data FROM events WHERE organization_id = $1 AND type LIKE 'role.%' ORDER BY at`,
    [organization.id],
  );
}

const epochOf = async ({ database }: Team, { userId }: Teammate) =>
  (await database.query<{ epoch: number }>('SELECT epoch FROM users WHERE id = $1', [userId]))[0]?.epoch;

t.test('system roles and custom roles of the organization are listed, the highest first, and no others', async (t) => {
  const team = await open(t);
  const { api, database, token } = team;
  const id = await make(team, team);
  const other = await furtherTeam(database, api);
  const foreign = await seedRole(database, other.organization.id, { name: 'foreign', level: 30, permissions: [] });

  const { status, body } = await api.get('/roles', { token });
  t.equal(status, 200);
  t.strictSame(body.pagination, { total: 5, limit: 20, offset: 0, hasMore: false });
  t.strictSame(
    body.data.map(({ name, level, system }: { name: string; level: number; system: boolean }) => [name, level, system]),
    [
      ['owner', 100, true],
      ['admin', 80, true],
      ['agent', 40, true],
      ['closer', 30, false],
      ['viewer', 20, true],
    ],
  );
  const made = { id, ...CLOSER, permissions: ['deals:read', 'deals:write'], system: false };
  t.strictSame(body.data[3], made);
  t.strictSame((await api.get(`/roles/${id}`, { token })).body, { data: made });
  const [owner] = body.data;
  t.strictSame(
    (await api.get(`/roles/${owner.id}`, { token })).body.data,
    owner,
    'a system role can be read by its id',
  );
  const second = await api.get('/roles?limit=2&offset=3', { token });
  t.strictSame(second.body, {
    data: body.data.slice(3),
    pagination: { total: 5, limit: 2, offset: 3, hasMore: false },
  });
  t.strictSame((await api.get('/roles?offset=9', { token })).body.pagination, {
    total: 5,
    limit: 20,
    offset: 9,
    hasMore: false,
  });

  const calls = [
    api.get(`/roles/${foreign}`, { token }),
    api.patch(`/roles/${foreign}`, { level: 1 }, { token }),
    api.delete(`/roles/${foreign}`, { token }),
    api.get(`/roles/${team.owner.userId}`, { token }),
    api.patch(`/roles/${team.owner.userId}`, { level: 1 }, { token }),
    api.delete(`/roles/${team.owner.userId}`, { token }),
  ];
  for (const reply of await Promise.all(calls)) t.match(reply, { status: 404, code: 'not_found' });
  t.match(await database.query('SELECT level FROM roles WHERE id = $1', [foreign]), [{ level: 30 }]);
});

t.test('a role is created with sorted permissions without repeats, and an event is written', async (t) => {
  const team = await open(t);
  const { api, token, owner } = team;
  const permissions = ['deals:write', 'contacts:*', 'deals:read', 'deals:write'];
  const reply = await api.post('/roles', { name: 'mixed', level: 5, permissions }, { token });
  t.equal(reply.status, 201);
  const canonical = ['contacts:*', 'deals:read', 'deals:write'];
  t.match(reply.body.data, { name: 'mixed', description: '', level: 5, permissions: canonical, system: false });
  t.strictSame(await eventsOf(team), [
    {
      type: 'role.created',
      actor_id: owner.userId,
      target_id: reply.body.data.id,
      data: { name: 'mixed', level: 5, permissions: canonical },
    },
  ]);
});

t.test('a role with an invalid name or invalid permissions is refused', async (t) => {
  const { api, token } = await open(t);
  const long = (count: number) => Array.from({ length: count }, (_, n) => `r${n}-${'x'.repeat(30)}:a${'y'.repeat(39)}`);
  const table: [change: object, path: string][] = [
    [{ name: 'Closer' }, 'name'],
    [{ name: '1st' }, 'name'],
    [{ name: 'a'.repeat(41) }, 'name'],
    [{ name: 'closer\n' }, 'name'],
    [{ name: '' }, 'name'],
    [{ level: -1 }, 'level'],
    [{ level: 1001 }, 'level'],
    [{ level: 1.5 }, 'level'],
    [{ level: '30' }, 'level'],
    [{ permissions: ['deals'] }, 'permissions.0'],
    [{ permissions: ['deals:read', 'Deals:read'] }, 'permissions.1'],
    [{ permissions: ['deals:re*'] }, 'permissions.0'],
    [{ permissions: ['deals:read\n'] }, 'permissions.0'],
    [{ permissions: 'deals:read' }, 'permissions'],
    [{ permissions: long(1001) }, 'permissions'],
    [{ description: 'x'.repeat(501) }, 'description'],
    [{ description: 'a\nb' }, 'description'],
    [{ description: 'a\u202eb' }, 'description'],
    [{ system: true }, 'system'],
    [{ ownership: true }, 'ownership'],
    [{ organizationId: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01' }, 'organizationId'],
    [{ id: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01' }, 'id'],
  ];
  const id = (await api.post('/roles', CLOSER, { token })).body.data.id;
  for (const [change, path] of table) {
    const what = JSON.stringify(change).slice(0, 60);
    for (const reply of [
      await api.post('/roles', { ...CLOSER, name: 'other', ...change }, { token }),
      await api.patch(`/roles/${id}`, change, { token }),
    ]) {
      t.match(reply, { status: 422, code: 'validation_failed' }, what);
      t.equal(reply.body.issues[0].path, path, what);
    }
  }
  for (const missing of ['name', 'level', 'permissions']) {
    const reply = await api.post('/roles', { ...CLOSER, [missing]: undefined }, { token });
    t.match(reply.body.issues, [{ path: missing, message: 'is required' }]);
  }
  t.equal((await api.patch(`/roles/${id}`, {}, { token })).status, 422, 'a change of no field');
  t.equal((await api.patch('/roles/closer', { level: 1 }, { token })).status, 422, 'a name is not an id');
  t.equal((await api.post('/roles', { ...CLOSER, name: 'large', permissions: long(1000) }, { token })).status, 201);
});

t.test('a role cannot have the name of another role of the organization or of a system role', async (t) => {
  const team = await open(t);
  const { api, database, token } = team;
  const id = await make(team, team);
  const second = await make(team, team, { name: 'second' });
  for (const name of ['closer', 'owner', 'viewer']) {
    t.match(await api.post('/roles', { ...CLOSER, name }, { token }), { status: 409, code: 'role_name_taken' }, name);
    t.match(await api.patch(`/roles/${second}`, { name }, { token }), { status: 409, code: 'role_name_taken' }, name);
  }
  t.equal(
    (await api.patch(`/roles/${id}`, { name: 'closer', level: 31 }, { token })).status,
    200,
    'a role can keep its own name',
  );
  const other = await furtherTeam(database, api);
  t.ok(await make(team, await other.join('owner')), 'another organization can use the same name');
});

t.test('system roles are read-only', async (t) => {
  const team = await open(t);
  const { api, database, token } = team;
  const roles = (await api.get('/roles', { token })).body.data as { id: string; name: string }[];
  const before = await database.query('SELECT *, xmin::text FROM roles ORDER BY id');
  for (const { id, name } of roles) {
    const replies = [
      await api.patch(`/roles/${id}`, { description: 'x' }, { token }),
      await api.delete(`/roles/${id}`, { token }),
    ];
    for (const reply of replies) {
      t.match(reply, { status: 403, code: 'permission_denied', body: { detail: /^System roles are/ } }, name);
    }
  }
  t.same(await database.query('SELECT *, xmin::text FROM roles ORDER BY id'), before);
});

t.test('an organization has at most 200 custom roles', async (t) => {
  const team = await open(t);
  const { api, database, organization, token } = team;
  await database.query(
    `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions)
     SELECT gen_random_uuid(), $1, $1, 'r' || n, 1, '{}' FROM generate_series(1, 199) AS n`,
    [organization.id],
  );
  const id = await make(team, team);
  t.match(await api.post('/roles', { ...CLOSER, name: 'one-more' }, { token }), { status: 409, code: 'role_limit' });
  t.equal((await api.delete(`/roles/${id}`, { token })).status, 204);
  await make(team, team, { name: 'one-more' });
});

t.test('only a change of the rights or of the name of a role ends the tokens of its holders', async (t) => {
  const team = await open(t);
  const { api, database, organization, token } = team;
  const id = await make(team, team);
  const holder = await team.join('viewer');
  const scoped = await team.join('viewer');
  const bystander = await team.join('viewer');
  await assignRole(database, { organizationId: organization.id, userId: holder.userId, roleId: id });
  await assignRole(database, { organizationId: organization.id, userId: scoped.userId, roleId: id }, { project: 'p1' });
  let epoch = 0;
  const change = async (body: object, raises: boolean) => {
    const reply = await api.patch(`/roles/${id}`, body, { token });
    t.equal(reply.status, 200);
    t.strictSame(reply.body, (await api.get(`/roles/${id}`, { token })).body);
    epoch += raises ? 1 : 0;
    const what = JSON.stringify(body);
    t.same(
      [await epochOf(team, holder), await epochOf(team, scoped), await epochOf(team, bystander)],
      [epoch, epoch, 0],
      what,
    );
  };
  await change({ description: 'Other words.' }, false);
  t.equal((await api.get('/me', { token: holder.token })).status, 200);
  await change({ permissions: ['reports:read'] }, true);
  t.match(
    await api.get('/me', { token: holder.token }),
    { status: 401, code: 'token_stale' },
    'the earlier token is stale',
  );
  t.ok((partsOf(await renewed(api, holder)).claims.permissions as string[]).includes('reports:read'));
  await change({ level: 31 }, false);
  await change({ name: 'finisher' }, true);

  const events = (await eventsOf(team)).length;
  await change({ name: 'finisher', level: 31, permissions: ['reports:read', 'reports:read'] }, false);
  t.equal((await eventsOf(team)).length, events, 'a change without effect has no event');
  t.match((await eventsOf(team)).slice(2, 3), [
    {
      type: 'role.changed',
      target_id: id,
      data: {
        name: 'closer',
        changed: ['permissions'],
        permissionsAdded: ['reports:read'],
        permissionsRemoved: ['deals:read', 'deals:write'],
      },
    },
  ]);
});

t.test('a role can be deleted only if no user has it and no pending invitation offers it', async (t) => {
  const team = await open(t);
  const { api, database, organization, token } = team;
  const id = await make(team, team);
  const holder = await team.join('viewer');
  await assignRole(database, { organizationId: organization.id, userId: holder.userId, roleId: id }, { project: 'p1' });
  const remove = () => api.delete(`/roles/${id}`, { token });
  t.match(await remove(), { status: 409, code: 'role_in_use' });
  await database.query('DELETE FROM role_assignments WHERE role_id = $1', [id]);
  await database.query(
    `WITH invited AS (INSERT INTO invitations (id, organization_id, ${UNREAD_INVITATION.columns}, expires_at)
       VALUES (gen_random_uuid(), $1, ${UNREAD_INVITATION.values("'i'")}, now() - interval '1 day') RETURNING id)
     INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key)
     SELECT $1, id, $2, $1 FROM invited`,
    [organization.id, id],
  );
  t.match(await remove(), { status: 409, code: 'role_in_use' }, 'an expired invitation can be sent again');
  await database.query(`UPDATE invitations SET status = 'revoked'`);
  const reply = await remove();
  t.same([reply.status, reply.text], [204, '']);
  t.match(await remove(), { status: 404, code: 'not_found' });
  t.match((await eventsOf(team)).at(-1), { type: 'role.deleted', target_id: id, data: { name: 'closer' } });
});

t.test('reading roles needs roles:read, and changing roles needs roles:write', async (t) => {
  const team = await open(t);
  const { api } = team;
  const id = await make(team, team);
  const denied = { status: 403, code: 'permission_denied' };
  for (const role of ['agent', 'viewer']) {
    const { token } = await team.join(role);
    t.match(await api.get('/roles', { token }), denied);
    t.match(await api.get(`/roles/${id}`, { token }), denied);
    t.match(await api.get('/permissions', { token }), denied);
    t.match(await api.post('/roles', { name: 'mine', level: 0, permissions: [] }, { token }), denied);
    t.match(await api.patch(`/roles/${id}`, { level: 0 }, { token }), denied);
    t.match(await api.delete(`/roles/${id}`, { token }), denied);
  }
  t.match(await api.get('/roles'), { status: 401, code: 'unauthenticated' });
});
