// The sessions of members as the organization lists and ends them: only sessions that act for this organization.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { assignRole } from '../../support/fixtures/roles.ts';
import { furtherTeam, openTeam, renewed } from '../../support/fixtures/team.ts';
import { collide } from '../../support/locks.ts';
import { eventsAbout } from '../../support/rows.ts';
import { rounds } from '../../support/thorough.ts';
import { sessionRow } from '../sessions/rows.ts';

const NOT_FOUND = { status: 404, code: 'not_found' };
const UNKNOWN = '01970000-0000-7000-8000-000000000000';

t.test('the list shows a member’s live sessions that act for this organization, the last used first', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const second = await signInPerson(api, agent, organization.slug);
  const ended = await signInPerson(api, agent, organization.slug);
  await api.post('/auth/logout', { refreshToken: ended.refreshToken });
  const expired = await signInPerson(api, agent, organization.slug);
  await database.query("UPDATE sessions SET idle_expires_at = clock_timestamp() - interval '1 s' WHERE id = $1", [
    expired.sessionId,
  ]);
  const other = await furtherTeam(database, api);
  await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'agent' });
  await signInPerson(api, agent, other.organization.slug);
  await renewed(api, agent);
  const { status, body } = await api.get(`/users/${agent.userId}/sessions`, { token: admin.token });
  t.equal(status, 200);
  t.same(
    body.data.map(({ id }: { id: string }) => id),
    [agent.sessionId, second.sessionId],
  );
  t.same(body.pagination, { total: 2, limit: 20, offset: 0, hasMore: false });
  const known = ['createdAt', 'expiresAt', 'id', 'ip', 'lastSeenAt', 'organization', 'userAgent'];
  t.same(Object.keys(body.data[0]).sort(), known);
  t.match(body.data[0], { ip: '127.0.0.1', organization: { id: organization.id, slug: organization.slug } });
  const page = await api.get(`/users/${agent.userId}/sessions?limit=1&offset=1`, { token: admin.token });
  t.match(page.body, { data: [{ id: second.sessionId }], pagination: { total: 2, hasMore: false } });
  const past = await api.get(`/users/${agent.userId}/sessions?offset=9`, { token: admin.token });
  t.same(past.body, { data: [], pagination: { total: 2, limit: 20, offset: 9, hasMore: false } });
});

t.test('listing a member’s sessions needs sessions:read, and ending them needs sessions:revoke', async (t) => {
  const { api, join } = await openTeam(t);
  const agent = await join('agent');
  const { token, userId } = agent;
  const denied = { status: 403, code: 'permission_denied' };
  t.match(
    await api.get(`/users/${userId}/sessions`, { token }),
    denied,
    'the caller’s own sessions are refused too: /me lists them',
  );
  t.match(await api.delete(`/users/${userId}/sessions`, { token }), denied);
  t.match(await api.delete(`/users/${userId}/sessions/${agent.sessionId}`, { token }), denied);
  t.match(await api.get(`/users/${userId}/sessions`), { status: 401, code: 'unauthenticated' });
  t.equal((await api.get('/me', { token })).status, 200);
});

t.test('an ended session is refused at once, an event is written, and other sessions continue', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const second = await signInPerson(api, agent, organization.slug);
  const path = `/users/${agent.userId}/sessions/${second.sessionId}`;
  t.match(await api.delete(path, { token: admin.token }), { status: 204, text: '' });
  t.match(await api.get('/me', { token: second.accessToken }), { status: 401, code: 'session_revoked' });
  const { refreshToken } = second;
  t.match(await api.post('/auth/refresh', { refreshToken }), { status: 401, code: 'session_revoked' });
  t.equal((await sessionRow(database, second.sessionId)).revoked_reason, 'ended_by_organization');
  t.same(await eventsAbout(database, second.sessionId), ['session.opened', 'session.ended']);
  const [event] = await database.query(
    "SELECT actor_id, organization_id, data FROM events WHERE target_id = $1 AND type = 'session.ended'",
    [second.sessionId],
  );
  const data = { reason: 'ended_by_organization' };
  t.same(event, { actor_id: admin.userId, organization_id: organization.id, data });
  t.same(await database.query('SELECT kind FROM revocations WHERE subject = $1', [second.sessionId]), [
    { kind: 'session' },
  ]);
  t.equal((await api.get('/me', { token: agent.token })).status, 200);
  t.match(await api.delete(path, { token: admin.token }), NOT_FOUND, 'once');
});

t.test('ending all sessions of a member ends no session in another organization', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const second = await signInPerson(api, agent, organization.slug);
  const other = await furtherTeam(database, api);
  await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'agent' });
  const elsewhere = await signInPerson(api, agent, other.organization.slug);
  const reply = await api.delete(`/users/${agent.userId}/sessions`, { token: admin.token });
  t.same([reply.status, reply.body], [200, { data: { ended: 2 } }]);
  for (const token of [agent.token, second.accessToken]) {
    t.match(await api.get('/me', { token }), { status: 401, code: 'session_revoked' });
  }
  t.equal((await api.get('/me', { token: elsewhere.accessToken })).status, 200);
  t.equal((await api.get('/me', { token: admin.token })).status, 200);
  const again = await api.delete(`/users/${agent.userId}/sessions`, { token: admin.token });
  t.same(again.body, { data: { ended: 0 } });
  const own = await api.delete(`/users/${admin.userId}/sessions`, { token: admin.token });
  t.same(own.body, { data: { ended: 1 } });
  t.match(
    await api.get('/me', { token: admin.token }),
    { status: 401, code: 'session_revoked' },
    'the caller’s own session has ended too',
  );
});

t.test('a session or member of another organization gets 404, and no session is ended', async (t) => {
  const { database, api, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  const other = await furtherTeam(database, api);
  const stranger = await other.join('agent');
  await seedMembership(database, { organizationId: other.organization.id, userId: agent.userId, role: 'agent' });
  const elsewhere = await signInPerson(api, agent, other.organization.slug);
  const { token } = admin;
  const details = new Set<string>();
  for (const path of [
    `/users/${stranger.userId}/sessions/${stranger.sessionId}`,
    `/users/${agent.userId}/sessions/${stranger.sessionId}`,
    `/users/${agent.userId}/sessions/${elsewhere.sessionId}`,
    `/users/${admin.userId}/sessions/${agent.sessionId}`,
    `/users/${agent.userId}/sessions/${UNKNOWN}`,
    `/users/${stranger.userId}/sessions`,
    `/users/${UNKNOWN}/sessions`,
  ]) {
    const reply = await api.delete(path, { token });
    t.match(reply, NOT_FOUND, path);
    details.add(reply.body.detail);
  }
  for (const id of [stranger.userId, UNKNOWN]) {
    const reply = await api.get(`/users/${id}/sessions`, { token });
    t.match(reply, NOT_FOUND);
    details.add(reply.body.detail);
  }
  t.equal(details.size, 1, 'all answers have the same text');
  for (const alive of [agent.token, stranger.token, elsewhere.accessToken]) {
    t.equal((await api.get('/me', { token: alive })).status, 200);
  }
  t.equal((await api.delete(`/users/${agent.userId}/sessions/1`, { token })).status, 422);
});

t.test('if several requests end one session at the same time, exactly one succeeds', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const admin = await join('admin');
  const agent = await join('agent');
  for (let round = 0; round < rounds(50); round += 1) {
    const { sessionId } = await signInPerson(api, agent, organization.slug);
    const path = `/users/${agent.userId}/sessions/${sessionId}`;
    const replies = await atOnce(3, () => api.delete(path, { token: admin.token }));
    t.same(replies.map(({ status }) => status).sort(), [204, 404, 404]);
    t.same(await eventsAbout(database, sessionId), ['session.opened', 'session.ended']);
  }
});

t.test('a caller can end their own sessions, and those of members of the same or a lower level', async (t) => {
  const team = await openTeam(t);
  const { api, database, organization, join } = team;
  const [owner, admin, peer, agent] = [
    await join('owner'),
    await join('admin'),
    await join('admin'),
    await join('agent'),
  ];
  await assignRole(
    database,
    { organizationId: organization.id, userId: agent.userId, role: 'owner' },
    { projectId: 'p1' },
  );
  for (const { userId, sessionId, token } of [owner, agent]) {
    for (const path of [`/users/${userId}/sessions`, `/users/${userId}/sessions/${sessionId}`]) {
      const reply = await api.delete(path, { token: admin.token });
      t.match(reply, { status: 403, code: 'member_outranks_you' }, path);
    }
    t.equal((await api.get('/me', { token })).status, 200);
  }
  t.equal(
    (await api.delete(`/users/${peer.userId}/sessions`, { token: admin.token })).status,
    200,
    'the sessions of a member of the same level can be ended',
  );
  await assignRole(
    database,
    { organizationId: organization.id, userId: admin.userId, role: 'owner' },
    { projectId: 'p1' },
  );
  const own = `/users/${admin.userId}/sessions/${admin.sessionId}`;
  t.equal(
    (await api.delete(own, { token: admin.token })).status,
    204,
    'callers can end their own session, even if a scoped role has a higher level',
  );
});

t.test('a caller who loses the right while the request waits cannot end the session', async (t) => {
  const team = await openTeam(t);
  const { api, database, organization, join } = team;
  const [admin, agent] = [await join('admin'), await join('agent')];
  const end = () => api.delete(`/users/${agent.userId}/sessions`, { token: admin.token });
  const [reply] = await collide(t, team, [end], (ask) =>
    ask('DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2', [organization.id, admin.userId]),
  );
  t.match(reply, { status: 403, code: 'permission_denied' });
  t.equal((await api.get('/me', { token: agent.token })).status, 200);
  t.equal((await sessionRow(database, agent.sessionId)).revoked_reason, null);
});
