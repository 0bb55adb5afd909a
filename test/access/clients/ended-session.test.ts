// A logout at one replica against a change at another replica that does not know of the logout yet. After the logout is
// acknowledged, no change succeeds. A change that has checked the session first makes the logout wait.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { seedMembership, seedPerson } from '../../support/fixtures/people.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { collide, openTransaction, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const ROUNDS = rounds(20);
const WIDE = { name: 'exporter', permissions: ['*:*'] };

async function open(t: Test) {
  const database = await createDatabase(t);
  const [here, elsewhere] = [await openService(t, database), await openService(t, database)];
  const team = await furtherTeam(database, here.api);
  const count = async (table: string) => (await database.query(`SELECT 1 FROM ${table}`)).length;
  return { database, ...team, here: here.api, elsewhere: elsewhere.api, count };
}

t.test('a client with every right is not created after a logout, by a replica that does not know of it', async (t) => {
  const { here, elsewhere, join, count } = await open(t);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { token } = await join('owner');
    t.equal((await elsewhere.get('/me', { token })).status, 200, 'the replica knows the token');
    t.equal((await here.post('/auth/logout', {}, { token })).status, 204);
    t.match(await elsewhere.post('/clients', WIDE, { token }), { status: 401, code: 'session_revoked' });
  }
  t.equal(await count('clients'), 0, `0 of ${ROUNDS}`);
});

t.test(
  'a change that the guard has admitted is refused if the logout is acknowledged before the change is made',
  async (t) => {
    const { database, organization, here, elsewhere, join } = await open(t);
    const person = await seedPerson(database, 'Target');
    await seedMembership(database, { organizationId: organization.id, userId: person.userId, role: 'viewer' });
    const kinds = {
      'a client': (token: string) => elsewhere.post('/clients', WIDE, { token }),
      'a role': (token: string) => elsewhere.post('/roles', { name: 'r', level: 1, permissions: ['*:*'] }, { token }),
      'an invitation': (token: string) =>
        elsewhere.post('/invitations', { email: 'thief@example.com', roles: [{ role: 'owner' }] }, { token }),
      'a member': (token: string) =>
        elsewhere.patch(`/users/${person.userId}`, { roles: [{ role: 'owner' }] }, { token }),
      'the settings': (token: string) =>
        elsewhere.patch('/organizations/current', { settings: { by: 'thief' } }, { token }),
      'the organization': (token: string) => elsewhere.delete('/organizations/current', { token }),
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const { token } = await join('owner');
      const calls = Object.values(kinds).map((kind) => () => kind(token));
      const replies = await collide(t, { database, organization }, calls, async () => {
        t.equal((await here.post('/auth/logout', {}, { token })).status, 204);
      });
      for (const [index, kind] of Object.keys(kinds).entries()) {
        t.match(replies[index], { status: 401, code: 'session_revoked' }, kind);
      }
    }
    const changes = `SELECT type FROM events WHERE organization_id = $1 AND type NOT LIKE 'session.%'`;
    t.same(await database.query(changes, [organization.id]), [], 'nothing was changed');
  },
);

t.test('a change waits for a logout that is being committed, and is then refused', async (t) => {
  const { database, elsewhere, join, count } = await open(t);
  for (let round = 0; round < ROUNDS; round += 1) {
    const { token, sessionId } = await join('owner');
    const logout = await openTransaction(t, database);
    const end = `UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = 'logout' WHERE id = $1`;
    await logout.query(end, [sessionId]);
    const replies = Promise.all([
      elsewhere.post('/clients', WIDE, { token }),
      elsewhere.post('/organizations', { name: 'Thief' }, { token }),
      elsewhere.patch('/me', { name: 'Thief' }, { token }),
      elsewhere.delete('/me/sessions', { token }),
    ]);
    await waiters(database, 4);
    await logout.query('COMMIT');
    await logout.end();
    for (const reply of await replies) t.match(reply, { status: 401, code: 'session_revoked' });
  }
  t.equal(await count('clients'), 0);
  t.equal(await count('organizations'), 1);
});

t.test('a logout waits for a change that has checked the session, and is acknowledged after it', async (t) => {
  const { database, here, elsewhere, join } = await open(t);
  const { token } = await join('owner');
  const blocking = await openTransaction(t, database);
  await blocking.query('LOCK TABLE client_secrets IN ACCESS EXCLUSIVE MODE');
  const created = elsewhere.post('/clients', WIDE, { token });
  await waiters(database, 1);
  let isAcknowledged = false;
  const logout = here.post('/auth/logout', {}, { token }).finally(() => {
    isAcknowledged = true;
  });
  await waiters(database, 2);
  t.notOk(isAcknowledged, 'the logout waits');
  await blocking.query('COMMIT');
  t.equal((await created).status, 201);
  t.equal((await logout).status, 204);
  t.match(await elsewhere.post('/clients', WIDE, { token }), { status: 401 }, 'nothing is created after the logout');
});
