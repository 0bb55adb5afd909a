// Simultaneous changes of roles: a barrier starts them, or a lock holds them until all of them wait.
import t from 'tap';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { planPreset } from '../../../src/directory/presets/plan.ts';
import { type Preset, readPreset } from '../../../src/directory/presets/presets.ts';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedMember, seedOrganization } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { holdUser, openTransaction, waiters } from '../../support/locks.ts';
import { refillChangeBudgets } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(50);
const CRM = readPreset('crm');

t.test('if two roles with one name are created at the same time, exactly one creation succeeds', async (t) => {
  const { api, database, join } = await openTeam(t);
  const { token } = await join('owner');
  const answers: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const body = { name: `role-${round}`, level: 1, permissions: [] };
    const replies = await atOnce(2, () => api.post('/roles', body, { token }));
    answers.push(
      replies
        .map(({ status, code }) => `${status} ${code ?? ''}`.trim())
        .sort()
        .join(', '),
    );
  }
  t.same([...new Set(answers)], ['201, 409 role_name_taken']);
  t.equal((await database.query('SELECT 1 FROM roles WHERE organization_id IS NOT NULL')).length, ROUNDS);
});

t.test('a change during the deletion of a role is applied before the deletion, or gets 404', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const { token } = await join('owner');
  for (let round = 0; round < ROUNDS; round += 1) {
    const id = await seedRole(database, organization.id, { name: `role-${round}`, permissions: [] });
    const [edited, deleted] = await atOnce(2, (index) =>
      index === 0 ? api.patch(`/roles/${id}`, { level: 1 }, { token }) : api.delete(`/roles/${id}`, { token }),
    );
    t.equal(deleted?.status, 204);
    t.ok(edited?.status === 200 || edited?.code === 'not_found', `${edited?.status} ${edited?.code}`);
  }
  t.same(await database.query('SELECT 1 FROM roles WHERE organization_id IS NOT NULL'), [], 'no role reappears');
});

t.test('two changes of different fields of a role are both kept', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const { token } = await join('owner');
  const id = await seedRole(database, organization.id, { name: 'role', level: 0, permissions: [] });
  for (let round = 1; round <= ROUNDS; round += 1) {
    const permissions = [`deals:r${round}`];
    await atOnce(2, (index) => api.patch(`/roles/${id}`, index === 0 ? { level: round } : { permissions }, { token }));
    t.match(await database.query('SELECT level, permissions FROM roles WHERE id = $1', [id]), [
      { level: round, permissions },
    ]);
  }
});

t.test('if a role is assigned and deleted at the same moment, only one of the two succeeds', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const { token } = await join('owner');
  const userId = await seedMember(database, organization.id, 'viewer');
  for (let round = 0; round < ROUNDS; round += 1) {
    await refillChangeBudgets(database); // the assignment may come first in every round
    const id = await seedRole(database, organization.id, { name: `role-${round}`, permissions: [] });
    const [deleted, assigned] = await atOnce(2, (index) =>
      index === 0
        ? api.delete(`/roles/${id}`, { token })
        : api.patch(`/users/${userId}`, { roles: [{ role: id }] }, { token }),
    );
    const outcome = `${deleted?.status} ${assigned?.status}`;
    t.ok(['204 404', '409 200'].includes(outcome), `${outcome} ${deleted?.code} ${assigned?.code}`);
  }
});

t.test('if a preset and an organization create a role of one name together, exactly one succeeds', async (t) => {
  const { api, service, database, join } = await openTeam(t);
  const { token } = await join('owner');
  for (let round = 0; round < ROUNDS; round += 1) {
    const name = `role-${round}`;
    const role = { name, description: '', level: 1, ownership: false, permissions: [] };
    await atOnce(2, async (index) => {
      if (index === 0) await api.post('/roles', { name, level: 1, permissions: [] }, { token });
      else await applyPreset(service.app.parts, { ...CRM, roles: [...CRM.roles, role] }).catch(() => undefined);
    });
    t.equal((await database.query('SELECT 1 FROM roles WHERE name = $1', [name])).length, 1, name);
  }
});

t.test('a preset and an organization are refused a role name that an open transaction has taken', async (t) => {
  const { api, service, database, organization, join } = await openTeam(t);
  const { token } = await join('owner');
  const viewer = await seedMember(database, organization.id, 'viewer');
  const role = (name: string) => ({ name, description: '', level: 1, ownership: false, permissions: [] });
  const make = (name: string) => api.post('/roles', { name, level: 1, permissions: [] }, { token });

  const user = await holdUser(t, database, viewer); // blocks the preset after it has written its roles
  const changed = CRM.roles.map((each) => (each.name === 'viewer' ? { ...each, permissions: [] } : each));
  const applying = applyPreset(service.app.parts, { ...CRM, roles: [...changed, role('first')] });
  await waiters(database, 1);
  const late = make('first');
  await waiters(database, 2);
  await user.query('COMMIT');
  t.equal((await applying).plan.changes, 2);
  t.match(await late, { status: 409, code: 'role_name_taken' }, 'the preset came first');

  const events = await openTransaction(t, database); // blocks the request after it has written the role
  await events.query('LOCK TABLE events IN SHARE MODE');
  const making = make('second');
  await waiters(database, 1);
  const refused = t.rejects(
    applyPreset(service.app.parts, { ...CRM, roles: [...changed, role('first'), role('second')] }),
    { code: 'role_name_taken' },
    'the organization came first',
  );
  await waiters(database, 2);
  await events.query('COMMIT');
  t.equal((await making).status, 201);
  await refused;
});

t.test('a user who gets a role while a preset changes the role also gets a new epoch', async (t) => {
  const { service, database, organization } = await openTeam(t);
  const userId = await seedMember(database, organization.id);
  const assigning = await openTransaction(t, database);
  await assigning.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, $2, id, owner_key FROM roles WHERE name = 'agent'`,
    [organization.id, userId],
  );
  const roles = CRM.roles.map((role) => (role.name === 'agent' ? { ...role, permissions: [] } : role));
  const applying = applyPreset(service.app.parts, { ...CRM, roles });
  await waiters(database, 1);
  await assigning.query('COMMIT');
  t.equal((await applying).usersAffected, 1);
  t.match(await database.query('SELECT epoch FROM users WHERE id = $1', [userId]), [{ epoch: 1 }]);
});

t.test('no organization is created without an owner while ownership moves to another role', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const chief = { name: 'chief', description: '', level: 100, ownership: true, permissions: ['*:*'] };
  const [, ...others] = CRM.roles;
  const owner = { name: 'owner', description: '', level: 100, ownership: false, permissions: [] };
  const moved: Preset = { name: 'moved', roles: [chief, owner, ...others] };
  // A user with the old role, in an organization that keeps an owner. The test locks this user to delay the new epochs.
  const { id } = await seedOrganization(database);
  const userId = await seedMember(database, id, 'owner');
  const first = { name: 'crm', roles: [...CRM.roles, { ...chief, ownership: false }] };
  await applyPreset(app.parts, first);
  await assignRole(database, { organizationId: id, userId, role: 'chief' });
  t.equal((await planPreset(app.parts.db, moved)).changes, 2);

  const held = await holdUser(t, database, userId);
  const applying = applyPreset(app.parts, moved);
  await waiters(database, 1);
  const founding = api.post('/auth/register', {
    email: 'ada@example.com',
    password: 'correct horse battery',
    name: 'Ada',
    organizationName: 'Acme',
  });
  await waiters(database, 2);
  await held.query('COMMIT');
  t.equal((await applying).usersAffected, 1);
  t.match(await founding, { status: 503, code: 'service_busy' });
  t.same(await database.query(`SELECT 1 FROM organizations WHERE name = 'Acme'`), [], 'nothing was created');
  const account = await newAccount(api);
  const held2 = await database.query(
    'SELECT r.name FROM role_assignments a JOIN roles r ON r.id = a.role_id WHERE a.user_id = $1',
    [account.userId],
  );
  t.same(held2, [{ name: 'chief' }], 'the next organization gets the new owner role');
});
