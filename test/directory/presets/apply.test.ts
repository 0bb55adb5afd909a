// Applying system roles to the database: the plan, the written roles and events, the ended tokens, and that a second
// run changes nothing.
import t from 'tap';
import { applyFirstPreset, applyPreset, exportRoles } from '../../../src/directory/presets/apply.ts';
import { planPreset } from '../../../src/directory/presets/plan.ts';
import { listPresets, parsePreset, readPreset } from '../../../src/directory/presets/presets.ts';
import { seedMember, seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import { UNREAD_USER } from '../../support/personal.ts';
import { CRM, crmWith, EPOCHS, EVENTS, openDeps, openRoles, stateOf } from './applying.ts';

t.test('applying a preset a second time changes nothing and writes no event', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const before = await stateOf(database);
  t.equal(before[0]?.length, 4, 'the template database has the preset');
  for (const options of [{}, { prune: true }]) {
    const { plan, usersAffected } = await applyPreset(deps, CRM, options);
    t.match(
      { plan, usersAffected },
      { plan: { preset: 'crm', changes: 0, unlisted: [], obstacles: [] }, usersAffected: 0 },
    );
    t.strictSame(
      plan.steps.map(({ action, role, changes }) => [action, role, changes]),
      CRM.roles.map(({ name }) => ['keep', name, []]),
    );
  }
  t.same(await stateOf(database), before);
});

t.test('a plan shows the old and new value of each changed field, and writes nothing', async (t) => {
  const { database, ...deps } = await openRoles(t);
  await database.query(`UPDATE roles SET permissions = '{*:*}', level = 99 WHERE name = 'agent'`);
  await database.query(`DELETE FROM roles WHERE name = 'viewer'`);
  await database.query(`UPDATE roles SET name = 'relic' WHERE name = 'admin'`);
  const before = await stateOf(database);
  const agent = CRM.roles.find(({ name }) => name === 'agent');
  const steps = [
    { action: 'keep', role: 'owner', changes: [] },
    { action: 'create', role: 'admin', changes: [] },
    {
      action: 'update',
      role: 'agent',
      changes: [
        { field: 'level', from: 99, to: 40 },
        { field: 'permissions', from: ['*:*'], to: agent?.permissions },
      ],
    },
    { action: 'create', role: 'viewer', changes: [] },
  ];
  t.strictSame(await planPreset(deps.db, CRM), {
    preset: 'crm',
    steps,
    unlisted: ['relic'],
    owners: ['owner'],
    promoted: [],
    obstacles: [],
    changes: 3,
  });
  t.strictSame(await planPreset(deps.db, CRM, { prune: true }), {
    preset: 'crm',
    steps: [...steps, { action: 'remove', role: 'relic', changes: [] }],
    unlisted: [],
    owners: ['owner'],
    promoted: [],
    obstacles: [],
    changes: 4,
  });
  t.same(await stateOf(database), before);
});

t.test('applying restores changed roles, keeps role ids and custom roles, and writes each event once', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const ids = await database.query(`SELECT id, name FROM roles WHERE name <> 'admin' ORDER BY name`);
  const { id: organizationId } = await seedOrganization(database);
  const own = await seedRole(database, organizationId, { name: 'helper', level: 7, permissions: ['deals:read'] });
  await database.query(`UPDATE roles SET permissions = '{*:*}', level = 99 WHERE name = 'agent'`);
  await database.query(`DELETE FROM roles WHERE name = 'admin'`);
  const events = (await database.query(EVENTS)).length;

  t.equal((await applyPreset(deps, CRM)).plan.changes, 2);
  t.equal((await planPreset(deps.db, CRM)).changes, 0, 'a second run has nothing to do');
  t.equal((await applyPreset(deps, CRM)).plan.changes, 0);
  t.same(
    await database.query(`SELECT id, name FROM roles WHERE organization_id IS NULL AND name <> 'admin' ORDER BY name`),
    ids,
    'the role ids stay, so the assignments stay',
  );
  t.match(await database.query('SELECT level, permissions FROM roles WHERE id = $1', [own]), [
    { level: 7, permissions: ['deals:read'] },
  ]);
  const recorded = (await database.query(EVENTS)).slice(events);
  t.strictSame(recorded, [
    { data: { preset: 'crm', created: ['admin'], updated: ['agent'], removed: [], usersAffected: 0 } },
  ]);
});

t.test('every shipped preset can be applied to an empty database, and exported unchanged', async (t) => {
  for (const name of listPresets()) {
    const { database, ...deps } = await openRoles(t);
    await database.query('DELETE FROM roles');
    const preset = readPreset(name);
    const { plan } = await applyPreset(deps, preset);
    t.equal(plan.changes, preset.roles.length, name);
    const text = await exportRoles(deps);
    t.equal((await applyPreset(deps, parsePreset(text, 'export'), { prune: true })).plan.changes, 0, text);
    t.equal(await exportRoles(deps), text, 'the export has a stable order');
  }
});

t.test('roles that no preset can describe are not exported', async (t) => {
  const { database, ...deps } = await openRoles(t);
  await database.query(`UPDATE roles SET ownership = true WHERE name = 'admin'`);
  await t.rejects(exportRoles(deps), {
    name: 'PresetRefused',
    problems: [/More than one role gives ownership \(owner, admin\)/],
  });
  await database.query('DELETE FROM roles');
  await t.rejects(exportRoles(deps), { name: 'PresetRefused', problems: [/No system role gives ownership/] });
});

t.test('only memberships with a role whose permissions or ownership change get a new epoch', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const [one, two] = [await seedOrganization(database), await seedOrganization(database)];
  const agent = await seedMember(database, one.id, 'agent');
  const both = await seedMember(database, one.id, 'agent');
  await seedMembership(database, { organizationId: two.id, userId: both, role: 'viewer' });
  const scoped = await seedMember(database, two.id, 'viewer');
  await database.query(`UPDATE role_assignments SET scope = '{"project":"p1"}' WHERE user_id = $1`, [scoped]);
  const admin = await seedMember(database, two.id, 'admin');
  const owner = await seedMember(database, two.id, 'owner');
  const epochs = async () =>
    new Map((await database.query<{ id: string; epoch: number }>(EPOCHS)).map(({ id, epoch }) => [id, epoch]));

  const described = crmWith({ admin: { description: 'Other words.' }, agent: { level: 41 } });
  t.equal((await applyPreset(deps, described)).usersAffected, 0);
  t.same([...(await epochs()).values()], [0, 0, 0, 0, 0], 'a change of description or level ends no token');

  const changed = crmWith({ agent: { permissions: ['deals:read'] }, viewer: { permissions: [] } });
  t.equal((await applyPreset(deps, changed)).usersAffected, 3, 'a user with two of the roles is counted once');
  const raised = await epochs();
  t.same(
    [agent, both, scoped, admin, owner].map((id) => raised.get(id)),
    [1, 1, 1, 0, 0],
  );
  const revoked = await database.query<{ sub: string; org: string; epoch: number }>(
    `SELECT subject AS sub, membership_organization_id AS org, epoch FROM revocations WHERE kind = 'user'`,
  );
  const expected = [
    [agent, one.id],
    [both, one.id],
    [both, two.id],
    [scoped, two.id],
  ].map(([sub, org]) => ({ sub, org, epoch: 1 }));
  t.same(new Set(revoked), new Set(expected), 'one revocation for each membership');
  t.same(
    new Set(deps.published),
    new Set(expected.map((change) => ({ kind: 'membership', ...change }))),
    'the revocations are published after the commit',
  );
  t.same(
    await database.query(
      'SELECT user_id AS sub, organization_id AS org, epoch FROM memberships WHERE epoch > 0 ORDER BY 1, 2',
    ),
    [...expected].sort((a, b) => (`${a.sub}${a.org}` < `${b.sub}${b.org}` ? -1 : 1)),
  );
});

t.test('if the users do not fit in one batch, the epoch of each user is still raised once', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const { id } = await seedOrganization(database);
  const count = 10_001;
  await database.query(
    `INSERT INTO users (id, ${UNREAD_USER.columns}) SELECT gen_random_uuid(), ${UNREAD_USER.values('n::text')}
     FROM generate_series(1, ${count}) AS n`,
  );
  await database.query('INSERT INTO memberships (organization_id, user_id) SELECT $1, id FROM users', [id]);
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, u.id, r.id, r.owner_key FROM users u, roles r WHERE r.name = 'viewer'`,
    [id],
  );
  const applied = await applyPreset({ ...deps }, crmWith({ viewer: { permissions: [] } }));
  t.equal(applied.usersAffected, count);
  t.same(await database.query('SELECT epoch, count(*)::int FROM users GROUP BY epoch'), [{ epoch: 1, count }]);
  t.equal(new Set(deps.published.map((change) => JSON.stringify(change))).size, count);
});

t.test('if several processes apply a preset at the same time, one of them writes the roles', async (t) => {
  const { database } = await openRoles(t);
  await database.query('DELETE FROM roles');
  const deps = Array.from({ length: 4 }, () => openDeps(t, database));
  const applied = await Promise.all(deps.map((each) => applyPreset(each, CRM)));
  t.strictSame(applied.map(({ plan }) => plan.changes).sort(), [0, 0, 0, 4], 'one of them creates the roles');
  t.equal((await database.query('SELECT 1 FROM roles')).length, 4);
});

t.test('a start applies a preset only to a database without system roles; later starts change nothing', async (t) => {
  const { database, ...deps } = await openRoles(t);
  await database.query(`UPDATE roles SET level = 39 WHERE name = 'agent'`);
  const before = await stateOf(database);
  t.strictSame(await applyFirstPreset(deps, 'crm'), []);
  t.strictSame(await applyFirstPreset(deps, 'workspace'), []);
  t.same(await stateOf(database), before);
  await t.rejects(
    applyFirstPreset(deps, 'wrong'),
    { name: 'PresetRefused' },
    'a wrong preset is reported at every start',
  );
  await database.query('DELETE FROM roles');
  t.strictSame(await applyFirstPreset(deps, 'workspace'), ['admin', 'member', 'billing']);
});
