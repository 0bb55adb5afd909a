// Deleting an organization while its sessions are ended: both transactions lock sessions in the order of their ids.
import t from 'tap';
import { openTeam } from '../../support/fixtures/team.ts';
import { openTransaction, waiters } from '../../support/locks.ts';

t.test('ending sessions one by one and deleting the organization do not deadlock', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const [owner, agent] = [await join('owner'), await join('agent')];
  const [first, last] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002'];
  for (const id of [last, first]) {
    await database.query(
      `INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at,
         confirmed, confirmed_at) VALUES ($1, $2, $3, '{pwd}', now(), now(), now(), now(), $1, now())`,
      [id, agent.userId, organization.id],
    );
  }
  const ending = await openTransaction(t, database);
  const lock = (id: string) => ending.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [id]);
  await lock(first);
  const deleted = api.delete('/organizations/current', { token: owner.token });
  await waiters(database, 1);
  await lock(last);
  await ending.query('COMMIT');
  t.equal((await deleted).status, 204);
  const acting = await database.query('SELECT 1 FROM sessions WHERE organization_id IS NOT NULL');
  t.same(acting, [], 'the sessions stay alive and act for no organization');
});
