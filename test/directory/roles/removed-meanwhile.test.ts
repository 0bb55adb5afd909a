// A preset removes or changes a system role at the moment when a user grants or offers the role.
import t from 'tap';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { heldRoles } from '../../support/rows.ts';
import { openInviting } from '../invitations/inviting.ts';
import { CRM } from '../presets/applying.ts';

const EXTRA = { name: 'extra', description: '', level: 1, ownership: false, permissions: [] };
const WITH_EXTRA = { ...CRM, roles: [...CRM.roles, EXTRA] };

t.test('a role that is removed while it is granted or offered is not found', async (t) => {
  const { api, database, service, organization, join } = await openTeam(t);
  const [{ token }, agent] = [await join('owner'), await join('agent')];
  const email = 'guest@example.com';
  const roles = [{ role: 'extra' }];
  const calls = {
    'a role that is assigned': () => api.patch(`/users/${agent.userId}`, { roles }, { token }),
    'a role that is offered': () => api.post('/invitations', { email, roles }, { token }),
  };
  for (const [what, call] of Object.entries(calls)) {
    await applyPreset(service.app.parts, WITH_EXTRA);
    const removing = await openTransaction(t, database);
    await removing.query(`DELETE FROM roles WHERE name = 'extra'`);
    const answer = call();
    await waiters(database, 1);
    await removing.query('COMMIT');
    t.match(await answer, { status: 404, code: 'not_found', body: { detail: /no such role/ } }, what);
  }
  t.same(
    await heldRoles(database, organization.id, agent.userId),
    ['agent'],
    'the roles of the member have not changed',
  );
  t.same(await database.query('SELECT 1 FROM invitations'), []);
});

t.test('creating an organization while the owner role is removed is answered with a request to retry', async (t) => {
  const { api, database } = await openTeam(t);
  const { accessToken: token } = await newAccountWithoutOrganization(api);
  const removing = await openTransaction(t, database);
  await removing.query(`DELETE FROM roles WHERE name = 'owner'`);
  const answer = api.post('/organizations', { name: 'Acme' }, { token });
  await waiters(database, 1);
  await removing.query('COMMIT');
  t.match(await answer, { status: 503, code: 'service_busy' });
});

t.test('a role that gets more rights while it is granted is checked with its new rights', async (t) => {
  const { api, database, service, organization, join } = await openTeam(t);
  const [{ token }, agent] = [await join('admin'), await join('agent')];
  const assign = () => api.patch(`/users/${agent.userId}`, { roles: [{ role: 'viewer' }] }, { token });
  const growing = await openTransaction(t, database);
  await growing.query(`SELECT 1 FROM roles WHERE name = 'viewer' FOR UPDATE`);
  await growing.query(`UPDATE roles SET permissions = '{billing:manage}' WHERE name = 'viewer'`);
  const answer = assign();
  await waiters(database, 1);
  await growing.query('COMMIT');
  t.match(await answer, { status: 403, code: 'grant_exceeds_own' });
  t.same(await heldRoles(database, organization.id, agent.userId), ['agent']);

  await applyPreset(service.app.parts, CRM);
  const moving = await openTransaction(t, database);
  await moving.query(`SELECT 1 FROM roles WHERE name IN ('admin', 'viewer') FOR UPDATE`);
  await moving.query(`UPDATE roles SET permissions = '{users:update}' WHERE name = 'admin'`);
  const late = assign();
  await waiters(database, 1);
  await moving.query('COMMIT');
  t.match(await late, { status: 403, code: 'grant_exceeds_own' }, 'the rights of the caller at that moment count');
});

t.test('accepting a role that a preset changes waits for the preset, and the preset never waits for it', async (t) => {
  const inviting = await openInviting(t);
  const { api, database } = inviting;
  const guest = await newAccountWithoutOrganization(api, { email: 'guest@example.com' });
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [guest.userId]);
  const { token: invitation } = await inviting.invited(guest.email, 'viewer');
  // A preset locks in this order: the role, then its users. The guest has the role in another organization.
  const applying = await openTransaction(t, database);
  await applying.query(`SELECT 1 FROM roles WHERE name = 'viewer' FOR UPDATE`);
  const accepted = api.post('/invitations/accept', { token: invitation }, { token: guest.accessToken });
  await waiters(database, 1);
  await applying.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [guest.userId]);
  await applying.query(`UPDATE roles SET permissions = '{deals:read}' WHERE name = 'viewer'`);
  await applying.query('COMMIT');
  t.match(await accepted, { status: 200 });
});
