// When a preset is refused: the message gives the reason, and nothing is written.
import t from 'tap';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { planPreset } from '../../../src/directory/presets/plan.ts';
import { seedMember, seedOrganization } from '../../support/fixtures/people.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import { UNREAD_INVITATION } from '../../support/personal.ts';
import { CRM, crmWith, EVENTS, openRoles, refusal } from './applying.ts';

t.test('a system role is not created if roles of organizations use its name', async (t) => {
  const { database, ...deps } = await openRoles(t);
  for (const _ of [1, 2, 3]) {
    const { id } = await seedOrganization(database);
    await seedRole(database, id, { name: 'auditor', permissions: [] });
  }
  const auditor = { name: 'auditor', description: '', level: 10, ownership: false, permissions: ['audit:read'] };
  const preset = { ...CRM, roles: [...CRM.roles, auditor] };
  const { code, message } = await refusal(t, database, () => applyPreset(deps, preset));
  t.equal(code, 'role_name_taken');
  t.equal(message, '3 organizations have a custom role with the name auditor: rename one of the two.');
  t.match(
    (await planPreset(deps.db, preset)).obstacles,
    [{ code: 'role_name_taken', detail: message }],
    'a plan reports the same reason',
  );
});

t.test('roles that are not in the preset are kept and listed, unless they are pruned', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const preset = crmWith({ viewer: null, agent: null });
  t.match((await applyPreset(deps, preset)).plan, { changes: 0, unlisted: ['agent', 'viewer'] });

  const { id } = await seedOrganization(database);
  const holder = await seedMember(database, id, 'agent');
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key, scope)
     SELECT gen_random_uuid(), organization_id, user_id, role_id, role_owner_key, '{"team": "north"}'
     FROM role_assignments WHERE user_id = $1`,
    [holder],
  );
  await database.query(
    `WITH invited AS (INSERT INTO invitations (id, organization_id, ${UNREAD_INVITATION.columns}, expires_at)
       VALUES (gen_random_uuid(), $1, ${UNREAD_INVITATION.values("'i'")}, now() - interval '1 day') RETURNING id)
     INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key)
     SELECT $1, invited.id, r.id, r.owner_key FROM invited, roles r WHERE r.name = 'viewer'`,
    [id],
  );
  const prune = () => applyPreset(deps, preset, { prune: true });
  const used = await refusal(t, database, prune);
  t.equal(used.code, 'role_in_use');
  t.match(used.message, 'The role agent is held by 1 member and offered by 0 pending invitations');
  t.match(used.message, 'The role viewer is held by 0 members and offered by 1 pending invitation');

  await database.query('DELETE FROM memberships WHERE user_id = $1', [holder]);
  await database.query(`UPDATE invitations SET status = 'revoked'`);
  t.match((await prune()).plan, { changes: 2, unlisted: [] });
  t.same(await database.query('SELECT name FROM roles ORDER BY level DESC'), [{ name: 'owner' }, { name: 'admin' }]);
  t.match((await database.query(EVENTS)).at(-1), { data: { removed: ['agent', 'viewer'] } });
  t.equal((await prune()).plan.changes, 0);
});

t.test('ownership moves to another role only if every organization keeps an owner', async (t) => {
  const { database, ...deps } = await openRoles(t);
  const [one, two] = [await seedOrganization(database), await seedOrganization(database)];
  const owner = await seedMember(database, one.id, 'owner');
  const suspended = await seedMember(database, one.id, 'admin');
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [suspended]);
  await seedMember(database, two.id, 'owner');
  const admin = await seedMember(database, two.id, 'admin');
  const moved = crmWith({ owner: { ownership: false }, admin: { ownership: true } });

  const { code, message } = await refusal(t, database, () => applyPreset(deps, moved));
  t.equal(code, 'last_owner');
  t.match(message, '1 organization would be left without an owner');
  const renamed = { ...moved, roles: moved.roles.filter(({ name }) => name !== 'owner') };
  t.equal(
    (await applyPreset(deps, renamed)).plan.changes,
    1,
    'an ownership role that is left out still gives ownership',
  );
  await applyPreset(deps, CRM);

  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, $2, id, owner_key FROM roles WHERE name = 'admin'`,
    [one.id, owner],
  );
  t.equal((await applyPreset(deps, moved)).plan.changes, 2);
  t.match(await database.query('SELECT epoch > 0 AS raised FROM users WHERE id = ANY($1)', [[owner, admin]]), [
    { raised: true },
    { raised: true },
  ]);
});
