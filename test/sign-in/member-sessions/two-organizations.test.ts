// A person works in two organizations. Nothing that the administrators of one can do ends the session, the token or the
// refresh of the person in the other.
import t from 'tap';
import { suspendOrganization } from '../../../src/admin/organizations/organizations.ts';
import { seedMembership, signInPerson } from '../../support/fixtures/people.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { sessionRow } from '../sessions/rows.ts';

t.test('whatever one organization does to a member, the session in the other organization continues', async (t) => {
  const { database, api, organization, join, service } = await openTeam(t);
  const { token } = await join('owner');
  const person = await join('agent');
  const other = await furtherTeam(database, api);
  await other.join('owner');
  await seedMembership(database, { organizationId: other.organization.id, userId: person.userId, role: 'viewer' });
  const elsewhere = await signInPerson(api, person, other.organization.slug);
  // Another tab of this session acts for the first organization.
  const visit = { refreshToken: elsewhere.refreshToken, organization: organization.id };
  const visiting = (await api.post('/auth/refresh', visit)).body.data;
  t.equal(partsOf(visiting.accessToken).claims.org, organization.id);
  let { refreshToken } = visiting;
  const path = `/users/${person.userId}`;
  const steps: Record<string, () => Promise<{ status: number }>> = {
    'the roles are changed': () => api.patch(path, { roles: [{ role: 'viewer' }] }, { token }),
    'the member is suspended': () => api.patch(path, { status: 'suspended' }, { token }),
    'the member is activated': () => api.patch(path, { status: 'active' }, { token }),
    'one session is ended': () => api.delete(`${path}/sessions/${person.sessionId}`, { token }),
    'all sessions are ended': () => api.delete(`${path}/sessions`, { token }),
    'the member is removed': () => api.delete(path, { token }),
    'the organization is suspended': async () => {
      await suspendOrganization(service.app.parts, organization.id, null);
      return { status: 200 };
    },
  };
  for (const [what, step] of Object.entries(steps)) {
    const { status } = await step();
    t.ok(status === 200 || status === 204, `${what}: ${status}`);
    const me = await api.get('/me', { token: elsewhere.accessToken });
    t.match(me, { status: 200, body: { data: { organization: { id: other.organization.id } } } }, what);
    const next = await api.post('/auth/refresh', { refreshToken });
    t.equal(next.status, 200, what);
    t.match(partsOf(next.body.data.accessToken).claims, { org: other.organization.id, sid: elsewhere.sessionId }, what);
    ({ refreshToken } = next.body.data);
    const ended = (await sessionRow(database, person.sessionId)).revoked_reason;
    t.equal(ended, /session|removed|organization/.test(what) ? 'ended_by_organization' : null, what);
  }
  const refused = await api.get('/users', { token: visiting.accessToken });
  t.equal(refused.status, 401, 'the token for the first organization is refused');
});

t.test(
  'a session with a tab in each of two organizations goes on in one when the member is removed in the other',
  async (t) => {
    const { database, api, organization, join } = await openTeam(t);
    const { token } = await join('owner');
    const person = await join('agent');
    const other = await furtherTeam(database, api);
    await other.join('owner');
    await seedMembership(database, { organizationId: other.organization.id, userId: person.userId, role: 'viewer' });
    // The session acts for the first organization, where the person has signed in. The other tab has a token for the
    // other organization.
    const visit = { refreshToken: person.refreshToken, organization: other.organization.id };
    const there = (await api.post('/auth/refresh', visit)).body.data;
    const here = (await api.post('/auth/refresh', { refreshToken: there.refreshToken })).body.data;
    t.equal(partsOf(here.accessToken).claims.org, organization.id);
    const elsewhere = await openService(t, database);
    await elsewhere.app.parts.revocations.synchronize();

    t.equal((await api.delete(`/users/${person.userId}`, { token })).status, 204);

    await elsewhere.app.parts.revocations.synchronize();
    for (const [name, replica] of Object.entries({ 'this replica': api, 'another replica': elsewhere.api })) {
      for (const stale of [person.token, here.accessToken]) {
        t.match(await replica.get('/me', { token: stale }), { status: 401, code: 'token_stale' }, name);
      }
      t.match(await replica.get('/me', { token: there.accessToken }), {
        status: 200,
        body: { data: { organization: { id: other.organization.id } } },
      });
    }
    let { refreshToken } = here;
    for (let round = 0; round < 3; round += 1) {
      const refused = await api.post('/auth/refresh', { refreshToken, organization: organization.id });
      t.match(refused, { status: 403, code: 'organization_access_denied' }, 'the tab of the first organization');
      const next = await api.post('/auth/refresh', { refreshToken, organization: other.organization.id });
      t.match(partsOf(next.body.data.accessToken).claims, { org: other.organization.id, sid: person.sessionId });
      t.equal((await api.get('/me', { token: next.body.data.accessToken })).status, 200);
      ({ refreshToken } = next.body.data);
    }
    const unnamed = (await api.post('/auth/refresh', { refreshToken })).body.data;
    t.equal(unnamed.organization, null, 'a refresh that names none acts for none');
    t.match(await api.get('/users', { token: unnamed.accessToken }), { status: 403, code: 'organization_required' });
    t.equal((await sessionRow(database, person.sessionId)).revoked_reason, null);
  },
);
