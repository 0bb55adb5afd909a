// The budgets of changes that make tokens stale: of each member, and of the roles of an organization. The tests move a
// budget by SQL instead of waiting, by so much that the speed of the machine makes no difference.
import t, { type Test } from 'tap';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, type Teammate } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';

/**
 * A change uses six seconds of the budget. It is allowed while at most 54 seconds are used, so ten changes need no
 * wait.
 */
const [EACH, AHEAD] = [6, 54];

async function open(t: Test) {
  const team = await openTeam(t);
  const { database } = team;
  const owner = await team.join('owner');
  const second = await openService(t, database);
  let turn = 0;
  /** Changes the roles of the member, in turn through each of two replicas. */
  const toggle = ({ userId }: Pick<Teammate, 'userId'>) => {
    turn += 1;
    const { api } = turn % 2 === 0 ? team : second;
    return api.patch(`/users/${userId}`, { roles: [{ role: turn % 2 === 0 ? 'agent' : 'viewer' }] }, owner);
  };
  /** Sets the number of used seconds in the budgets of all members, or of the roles. */
  const setMembers = (seconds: number) =>
    database.query(`UPDATE memberships SET changes_paid_until = clock_timestamp() + $1 * interval '1 second'`, [
      seconds,
    ]);
  const setRoles = (seconds: number) =>
    database.query(`UPDATE organizations SET role_changes_paid_until = clock_timestamp() + $1 * interval '1 second'`, [
      seconds,
    ]);
  /** The instant until which the budget of a member is used, in seconds since 1970. */
  const paid = async ({ userId }: Pick<Teammate, 'userId'>) => {
    const [row] = await database.query<{ at: number }>(
      'SELECT extract(epoch FROM changes_paid_until)::float8 AS at FROM memberships WHERE user_id = $1',
      [userId],
    );
    return row?.at ?? 0;
  };
  return { ...team, owner, toggle, setMembers, setRoles, paid };
}

async function succeeds(t: Test, change: () => Promise<{ status: number }>, changes: number): Promise<void> {
  const statuses: number[] = [];
  for (let made = 0; made < changes; made += 1) statuses.push((await change()).status);
  t.same(statuses, Array(changes).fill(200));
}

t.test(
  'the roles of one member are changed ten times without a wait, then once every six seconds, on all replicas',
  async (t) => {
    const { toggle, setMembers, paid, join, database } = await open(t);
    const [member, other] = [await join('admin'), await join('admin')];
    const [{ now } = { now: 0 }] = await database.query<{ now: number }>(
      'SELECT extract(epoch FROM clock_timestamp())::float8 AS now',
    );
    await succeeds(t, () => toggle(member), 10);
    t.ok((await paid(member)) >= now + 10 * EACH, 'each change uses six seconds');
    await setMembers(AHEAD);
    t.equal((await toggle(member)).status, 200, 'the last one that is allowed');
    await setMembers(AHEAD + 600);
    const epochs = () => database.query('SELECT epoch FROM users ORDER BY id');
    const before = await epochs();
    const refused = await toggle(member);
    t.match(refused, { status: 429, code: 'too_many_requests' });
    const wait = Number(refused.headers.get('retry-after'));
    t.ok(wait > 0 && wait <= 600, `${wait} s`);
    t.match(refused.body.detail, /Retry-After.*suspended or removed/);
    t.same(await epochs(), before, 'nothing was changed');
    await database.query('UPDATE memberships SET changes_paid_until = NULL WHERE user_id = $1', [other.userId]);
    t.equal((await toggle(other)).status, 200, 'another member has a budget of their own');
    await setMembers(-3600);
    await succeeds(t, () => toggle(member), 10);
  },
);

t.test('a used-up budget prevents neither the suspension nor the removal of a member, nor leaving', async (t) => {
  const { api, owner, setMembers, join, organization } = await open(t);
  const [member, leaving] = [await join('admin'), await join('admin')];
  await setMembers(3600);
  const patch = (body: object) => api.patch(`/users/${member.userId}`, body, owner);
  t.match(await patch({ roles: [{ role: 'viewer' }] }), { status: 429, code: 'too_many_requests' });
  t.equal((await patch({ status: 'suspended' })).status, 200);
  t.equal((await patch({ status: 'suspended' })).status, 200, 'a request without a change uses nothing');
  t.match(await patch({ status: 'active' }), { status: 429, code: 'too_many_requests' }, 'an activation is counted');
  t.equal((await api.delete(`/users/${member.userId}`, owner)).status, 204);
  t.equal((await api.delete(`/me/organizations/${organization.id}`, leaving)).status, 204);
});

t.test('requests that change nothing, and refused ones, do not use the budget', async (t) => {
  const { api, owner, paid, setMembers, join } = await open(t);
  const member = await join('agent');
  const patch = (body: object) => api.patch(`/users/${member.userId}`, body, owner);
  await setMembers(30);
  const before = await paid(member);
  t.equal((await patch({ roles: [{ role: 'agent' }] })).status, 200);
  t.equal((await patch({ roles: [{ role: 'nonsense' }] })).status, 404);
  t.equal((await patch({ status: 'suspended' })).status, 200, 'a suspension');
  t.equal(await paid(member), before);
});

t.test('simultaneous changes of one member each use the budget', async (t) => {
  const team = await open(t);
  const { api, owner, paid, setMembers, join } = team;
  const member = await join('admin');
  await setMembers(30);
  const before = await paid(member);
  const changes = Array.from(
    { length: 8 },
    (_, part) => () => api.patch(`/users/${member.userId}`, { roles: [{ role: 'viewer', scope: { part } }] }, owner),
  );
  const replies = await collide(t, team, changes);
  const made = replies.filter(({ status }) => status === 200).length;
  t.ok(made >= 4, `${made}`);
  t.equal(replies.filter(({ code }) => code === 'too_many_requests').length, 8 - made);
  t.equal(Math.round((await paid(member)) - before), made * EACH, 'each change used the budget');
});

t.test(
  'the rights of roles that members hold are changed twenty times without a wait, for all roles together',
  async (t) => {
    const { api, database, organization, owner, join, setRoles } = await open(t);
    const member = await join('viewer');
    const make = (name: string) => seedRole(database, organization.id, { name, level: 1, permissions: ['deals:read'] });
    const [one, two, unheld] = [await make('one'), await make('two'), await make('unheld')];
    for (const roleId of [one, two]) {
      await assignRole(database, { organizationId: organization.id, userId: member.userId, roleId });
    }
    let turn = 0;
    const change = (id: string) => {
      turn += 1;
      return api.patch(`/roles/${id}`, { permissions: [`deals:read${turn}`] }, owner);
    };
    await succeeds(t, () => change(turn % 2 === 0 ? one : two), 20);
    await setRoles(3600);
    for (const id of [one, two]) {
      const refused = await change(id);
      t.match(refused, { status: 429, code: 'too_many_requests' });
      const wait = Number(refused.headers.get('retry-after'));
      t.ok(wait > 3000 && wait < 3600, `${wait} s`);
      t.match(refused.body.detail, /other roles, suspended or removed/);
    }
    t.equal((await change(unheld)).status, 200, 'a role that nobody holds makes no token stale');
    t.equal((await api.patch(`/roles/${one}`, { description: 'other words' }, owner)).status, 200);
    const taken = { roles: [{ role: 'viewer' }] };
    t.equal((await api.patch(`/users/${member.userId}`, taken, owner)).status, 200, 'the roles can be taken away');
    t.equal((await change(one)).status, 200, 'nobody holds it any more');
  },
);
