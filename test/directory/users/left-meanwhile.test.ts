// A member leaves an organization while the epochs of its members are raised. The change of the organization does not
// concern the person, so the person's tokens for another organization stay valid.
import t from 'tap';
import { type MembershipKey, raiseMembershipEpochs } from '../../../src/directory/users/epoch-store.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';
import { openTransaction, waiters } from '../../support/locks.ts';

t.test('only a person who is still a member gets a new epoch', async (t) => {
  const team = await openTeam(t);
  const { api, database, service, organization } = team;
  const other = (await furtherTeam(database, api)).organization;
  const [left, leaves, stays] = [await team.join('viewer'), await team.join('viewer'), await team.join('viewer')];
  const client = await seedClient(database, { organizationId: null });
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Basic ${btoa(`${client.id}:${client.secret}`)}`,
  };
  const tokens = new Map<string, string>();
  for (const person of [left, leaves, stays]) {
    await seedMembership(database, { organizationId: other.id, userId: person.userId, role: 'viewer' });
    tokens.set(person.userId, (await signInPerson(api, person, other.slug)).accessToken);
  }
  const isActive = async ({ userId }: { readonly userId: string }) => {
    const raw = new URLSearchParams({ token: tokens.get(userId) ?? '' }).toString();
    return (await api.post('/oauth/introspect', undefined, { raw, headers })).body.active;
  };
  const keys: MembershipKey[] = [left, leaves, stays].map(({ userId }) => ({
    organizationId: organization.id,
    userId,
  }));
  const remove = 'DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2';
  await database.query(remove, [organization.id, left.userId]);

  const leaving = await openTransaction(t, database);
  await leaving.query('UPDATE users SET epoch = epoch + 1 WHERE id = $1', [leaves.userId]); // like a removal
  const raising = service.app.parts.db.system((tx) => raiseMembershipEpochs(tx, keys));
  await waiters(database, 1);
  await leaving.query(
    `INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id)
     VALUES (gen_random_uuid(), 'user', $2, 1, $1)`,
    [organization.id, leaves.userId],
  );
  await leaving.query(remove, [organization.id, leaves.userId]);
  await leaving.query('COMMIT');

  t.strictSame(await raising, [{ kind: 'membership', sub: stays.userId, org: organization.id, epoch: 1 }]);
  const epochOf = async ({ userId }: { readonly userId: string }) =>
    (await database.query<{ epoch: number }>('SELECT epoch FROM users WHERE id = $1', [userId]))[0]?.epoch;
  t.strictSame([await epochOf(left), await epochOf(leaves), await epochOf(stays)], [0, 1, 1]);
  for (const person of [left, leaves, stays]) t.equal(await isActive(person), true, 'active in the other organization');
});
