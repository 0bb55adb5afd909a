// The story of one permission: checked, granted for one project, explained, and removed.
import t from 'tap';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { seedMember } from '../support/fixtures/people.ts';
import { FULL_HASHES, openService } from '../support/service.ts';

t.test('a permission is refused, granted for one project, and refused again after the role is removed', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database, FULL_HASHES);
  await app.parts.revocations.synchronize(); // from now on memory may answer a check
  const { organization, accessToken: token } = await newAccount(api);
  const userId = await seedMember(database, organization.id, 'viewer');
  const question = { userId, resource: 'deals', action: 'write' };
  const check = async (more: object = {}) => {
    const reply = await api.post('/authz/check', { ...question, ...more }, { token });
    t.equal(reply.status, 200);
    return reply.body.data;
  };
  const hold = async (...roles: object[]) => {
    const reply = await api.patch(`/users/${userId}`, { roles: [{ role: 'viewer' }, ...roles] }, { token });
    t.equal(reply.status, 200);
    return reply.body.data.roles;
  };

  t.same(await check(), { allowed: false, reason: 'no_permission' });
  await hold({ role: 'agent', scope: { projectId: 'p1' } });
  t.same(await check(), { allowed: false, reason: 'scope_mismatch' });
  t.same(await check({ scope: { projectId: 'p1' } }), { allowed: true, reason: 'granted' });
  t.match(await check({ scope: { projectId: 'p1' }, explain: true }), {
    explanation: { permission: 'deals:write', role: { name: 'agent' }, scope: { projectId: 'p1' } },
  });
  await hold({ role: 'agent', scope: { projectId: 'p2' } });
  t.same(await check({ scope: { projectId: 'p1' } }), { allowed: false, reason: 'scope_mismatch' }, 'at once');
  t.match(await check({ scope: { projectId: 'p1' }, explain: true }), {
    explanation: {
      missing: 'deals:write',
      heldRoles: ['viewer', 'agent'],
      wouldGrant: [{ role: { name: 'agent' }, scope: { projectId: 'p2' } }],
    },
  });
  t.equal((await api.patch(`/users/${userId}`, { status: 'suspended' }, { token })).status, 200);
  t.same(await check({ scope: { projectId: 'p2' } }), { allowed: false, reason: 'membership_suspended' });
  t.equal((await api.delete(`/users/${userId}`, { token })).status, 204);
  t.same(await check(), { allowed: false, reason: 'not_a_member' });
});

t.test('after a change of a role, the next check of every member with that role gets the new answer', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database, FULL_HASHES);
  await app.parts.revocations.synchronize(); // from now on memory may answer a check
  const { organization, accessToken: token } = await newAccount(api);
  const made = await api.post('/roles', { name: 'closer', level: 10, permissions: ['deals:write'] }, { token });
  t.equal(made.status, 201);
  const members = await Promise.all(['viewer', 'viewer'].map((role) => seedMember(database, organization.id, role)));
  for (const [at, userId] of members.entries()) {
    const scope = at === 0 ? {} : { projectId: 'p1' };
    const reply = await api.patch(`/users/${userId}`, { roles: [{ role: 'closer', scope }] }, { token });
    t.equal(reply.status, 200);
  }
  const checks = members.map((userId) => ({ userId, resource: 'deals', action: 'write', scope: { projectId: 'p1' } }));
  const ask = async () => {
    const { body } = await api.post('/authz/check/batch', { checks }, { token });
    return body.data.map(({ allowed }: { allowed: boolean }) => allowed);
  };
  t.same(await ask(), [true, true]);
  const role = `/roles/${made.body.data.id}`;
  t.equal((await api.patch(role, { permissions: ['deals:read'] }, { token })).status, 200);
  t.same(await ask(), [false, false]);
  t.equal((await api.patch(role, { permissions: ['deals:*'] }, { token })).status, 200);
  t.same(await ask(), [true, true]);
});
