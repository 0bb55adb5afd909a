// The end of a membership, by removal and by leaving. The account and its sessions stay. A session that acted for the
// organization then acts for none.
import t from 'tap';
import { sessionRow } from '../../sign-in/sessions/rows.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { furtherTeam, openTeam, renewed } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { countRows, eventsAbout, heldRoles } from '../../support/rows.ts';

t.test('a removed member loses tokens and roles at once, and nothing in other organizations', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const second = await signInPerson(api, agent, organization.slug);
  const other = await furtherTeam(database, api);
  await other.join('owner');
  await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'admin' });
  const elsewhere = await signInPerson(api, agent, other.organization.slug);
  const reply = await api.delete(`/users/${agent.userId}`, { token: owner.token });
  t.same([reply.status, reply.text], [204, '']);
  for (const { refreshToken, sessionId } of [agent, second]) {
    const here = await api.post('/auth/refresh', { refreshToken, organization: organization.id });
    t.match(here, { status: 403, code: 'organization_access_denied' });
    const next = await api.post('/auth/refresh', { refreshToken });
    t.match(next, { status: 200, body: { data: { organization: null } } });
    t.notOk('org' in partsOf(next.body.data.accessToken).claims);
    t.same(await eventsAbout(database, sessionId), ['session.opened']);
  }
  for (const token of [agent.token, second.accessToken]) {
    t.match(await api.get('/me', { token }), { status: 401, code: 'token_stale' });
  }
  t.equal((await api.get('/me', { token: elsewhere.accessToken })).status, 200);
  const { claims } = partsOf(await renewed(api, elsewhere));
  t.match(
    claims,
    { org: other.organization.id, roles: ['admin'] },
    'the session in the other organization is still alive',
  );
  t.same(await heldRoles(database, other.organization.id, agent.userId), ['admin']);
  t.same(await heldRoles(database, organization.id, agent.userId), []);
  t.match(await api.get(`/users/${agent.userId}`, { token: owner.token }), { status: 404, code: 'not_found' });
  t.match(await api.delete(`/users/${agent.userId}`, { token: owner.token }), { status: 404, code: 'not_found' });
  t.same(await eventsAbout(database, agent.userId), ['member.removed']);
  await t.rejects(signInPerson(api, agent, organization.slug), /organization_access_denied/);
  const back = await api.post('/auth/refresh', { refreshToken: elsewhere.refreshToken, organization: organization.id });
  t.match(back, { status: 403, code: 'organization_access_denied' });
});

t.test('the end of a membership also ends a token for the organization that another session got', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  const other = await furtherTeam(database, api);
  await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'agent' });
  const { refreshToken } = await signInPerson(api, agent, other.organization.slug);
  const visiting = await api.post('/auth/refresh', { refreshToken, organization: organization.slug });
  const token = visiting.body.data.accessToken;
  t.equal((await api.get('/users', { token })).status, 200);
  await api.delete(`/users/${agent.userId}`, { token: owner.token });
  t.match(await api.get('/users', { token }), { status: 401, code: 'token_stale' });
});

t.test('removing a member needs users:remove, and removing oneself needs no other right', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const owner = await join('owner');
  const admin = await join('admin');
  const agent = await join('agent');
  for (const { token } of [admin, agent]) {
    t.match(await api.delete(`/users/${agent.userId}`, { token }), { status: 403, code: 'permission_denied' });
  }
  const second = await join('owner');
  t.equal((await api.delete(`/users/${second.userId}`, { token: second.token })).status, 204);
  t.match(await api.get('/me', { token: second.token }), { status: 401, code: 'token_stale' });
  t.match(await api.delete(`/users/${owner.userId}`, { token: owner.token }), { status: 409, code: 'last_owner' });
  t.equal((await sessionRow(database, owner.sessionId)).revoked_reason, null, 'a refused removal ends no session');
  t.equal((await api.get('/me', { token: owner.token })).status, 200);
  t.same(await heldRoles(database, organization.id, owner.userId), ['owner']);
});

t.test('a user who leaves keeps the session, which then acts for no organization', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  await join('owner');
  const agent = await join('agent');
  const reply = await api.delete(`/me/organizations/${organization.id}`, { token: agent.token });
  t.same([reply.status, reply.text], [204, '']);
  t.match(await api.get('/users', { token: agent.token }), { status: 401, code: 'token_stale' });
  const row = await sessionRow(database, agent.sessionId);
  t.match(row, { organization_id: null, revoked_reason: null });
  const token = await renewed(api, agent);
  t.equal(partsOf(token).claims.org, undefined);
  t.match((await api.get('/me', { token })).body.data, { id: agent.userId, organization: null, roles: [] });
  t.match(await api.get('/users', { token }), { status: 403, code: 'organization_required' });
  t.same(await eventsAbout(database, agent.userId), ['member.left']);
  t.match(await api.delete(`/me/organizations/${organization.id}`, { token }), { status: 404, code: 'not_found' });
});

t.test('a suspended member can leave, and a member of a suspended organization can leave', async (t) => {
  const { database, service, api, organization, join } = await openTeam(t);
  await join('owner');
  const agent = await join('agent');
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [agent.userId]);
  const { accessToken } = await signInPerson(api, agent);
  t.equal((await api.delete(`/me/organizations/${organization.id}`, { token: accessToken })).status, 204);
  const viewer = await join('viewer');
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [organization.id]);
  await database.query(
    `INSERT INTO revocations (id, kind, subject, state) VALUES (gen_random_uuid(), 'organization', $1, 'suspended')`,
    [organization.id],
  );
  await service.app.parts.revocations.synchronize();
  const { token } = viewer;
  t.match(await api.get('/me', { token }), { status: 401, code: 'organization_suspended' });
  t.equal((await api.delete(`/me/organizations/${organization.id}`, { token })).status, 204);
  t.equal(partsOf(await renewed(api, viewer)).claims.org, undefined);
  t.equal(await countRows(database, 'memberships'), 1);
});

t.test(
  'leaving an organization changes neither another membership nor the organization that a session acts for',
  async (t) => {
    const { database, api, organization, join } = await openTeam(t);
    await join('owner');
    const agent = await join('agent');
    const other = await furtherTeam(database, api);
    await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'agent' });
    const { token } = agent;
    t.equal((await api.delete(`/me/organizations/${other.organization.id.toUpperCase()}`, { token })).status, 204);
    t.equal(partsOf(await renewed(api, agent)).claims.org, organization.id);
    t.same(await heldRoles(database, organization.id, agent.userId), ['agent']);
    t.same(await heldRoles(database, other.organization.id, agent.userId), []);
    t.equal(
      (await api.delete('/me/organizations/acme', { token: await renewed(api, agent) })).status,
      422,
      'the organization is named by id, not by slug',
    );
  },
);

t.test('other processes read a removal from the committed revocations', async (t) => {
  const { database, api, join } = await openTeam(t);
  const owner = await join('owner');
  const agent = await join('agent');
  await database.query('DELETE FROM revocations');
  await api.delete(`/users/${agent.userId}`, { token: owner.token });
  const rows = await database.query('SELECT kind, subject, epoch FROM revocations ORDER BY kind');
  t.same(rows, [{ kind: 'user', subject: agent.userId, epoch: 1 }]);
});
