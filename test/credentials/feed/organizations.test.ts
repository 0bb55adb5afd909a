// The client of an organization receives every event that can affect a token of that organization, and no other event.
// There are three ways to receive events, which must agree: on an open stream, after a cursor, and in a snapshot.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { disableAccount } from '../../../src/admin/accounts/change-account.ts';
import { endAnySession } from '../../../src/admin/sessions/sessions.ts';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { crmWith } from '../../directory/presets/applying.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import { openTwoOrganizations, tells, told } from './two-organizations.ts';

t.test('the end of a session is sent to each organization of its user', async (t) => {
  const setup = await openTwoOrganizations(t);
  const { api, pAgent, both, loner } = setup;
  const logout = (refreshToken: string) => () => api.post('/auth/logout', { refreshToken });
  await t.test('of a member of p', (t) =>
    tells(t, setup, logout(pAgent.refreshToken), {
      p: ["session pAgent's"],
      q: [],
      all: ["session pAgent's"],
    }),
  );
  await t.test('of a member of both', (t) =>
    tells(t, setup, logout(both.inQ.refreshToken), {
      p: ["session both's in q"],
      q: ["session both's in q"],
      all: ["session both's in q"],
    }),
  );
  await t.test('of a member of neither', (t) =>
    tells(t, setup, logout(loner.refreshToken), { p: [], q: [], all: ["session loner's"] }),
  );
});

t.test('a change of rights is sent to the organization in which the rights change, and to no other', async (t) => {
  const setup = await openTwoOrganizations(t);
  const { api, pOwner, pOther, both } = setup;
  await t.test('other roles for a member of both', (t) =>
    tells(
      t,
      setup,
      () => api.patch(`/users/${both.userId}`, { roles: [{ role: 'viewer' }] }, { token: pOwner.token }),
      { p: ['membership both in p'], q: [], all: ['membership both in p'] },
    ),
  );
  await t.test('a member is suspended', (t) =>
    tells(t, setup, () => api.patch(`/users/${pOther.userId}`, { status: 'suspended' }, { token: pOwner.token }), {
      p: ['membership pOther in p'],
      q: [],
      all: ['membership pOther in p'],
    }),
  );
  await t.test('an event about a suspended member', (t) =>
    tells(t, setup, () => api.post('/auth/logout', { refreshToken: pOther.refreshToken }), {
      p: ["session pOther's"],
      q: [],
    }),
  );
});

t.test(
  'a change of a role is reported for each membership that has it, to the organization of the membership',
  async (t) => {
    const setup = await openTwoOrganizations(t);
    const { api, database, p, pOwner, pAgent, both, app } = setup;
    const role = await seedRole(database, p.id, { name: 'own', level: 1, permissions: ['contacts:read'] });
    for (const { userId } of [pAgent, both]) {
      const roles = [{ role: 'agent' }, { role: 'own' }];
      await api.patch(`/users/${userId}`, { roles }, { token: pOwner.token });
    }
    await t.test('of the organization', (t) =>
      tells(t, setup, () => api.patch(`/roles/${role}`, { permissions: ['deals:read'] }, { token: pOwner.token }), {
        p: ['membership both in p', 'membership pAgent in p'],
        q: [],
        all: ['membership both in p', 'membership pAgent in p'],
      }),
    );
    const narrower = crmWith({ viewer: { permissions: ['contacts:read'] } });
    await t.test('of the system, by a preset', (t) =>
      tells(t, setup, () => applyPreset(app.parts, narrower), {
        p: [],
        q: ['membership both in q'],
        all: ['membership both in q'],
      }),
    );
    const agents = crmWith({ viewer: { permissions: ['contacts:read'] }, agent: { permissions: ['contacts:read'] } });
    await t.test('a preset that affects many members', (t) =>
      tells(t, setup, () => applyPreset(app.parts, agents), {
        p: ['membership both in p', 'membership pAgent in p', 'membership pOther in p'],
        q: ['membership qAgent in q'],
        all: ['both in p', 'pAgent in p', 'pOther in p', 'qAgent in q'].map((name) => `membership ${name}`),
      }),
    );
  },
);

t.test('the removal of a member is reported to the organization, and no later event about that user is', async (t) => {
  const setup = await openTwoOrganizations(t);
  const { api, database, p, pOwner, pAgent, both } = setup;
  await t.test('removed', (t) =>
    tells(t, setup, () => api.delete(`/users/${both.userId}`, { token: pOwner.token }), {
      p: ['membership both in p'],
      q: [],
      all: ['membership both in p'],
    }),
  );
  await t.test('the removed user does something in another organization', (t) =>
    tells(t, setup, () => api.post('/auth/logout', { refreshToken: both.inQ.refreshToken }), {
      p: [],
      q: ["session both's in q"],
    }),
  );
  await t.test('left', (t) =>
    tells(t, setup, () => api.delete(`/me/organizations/${p.id}`, { token: pAgent.token }), {
      p: ['membership pAgent in p'],
      q: [],
      all: ['membership pAgent in p'],
    }),
  );
  await t.test('the session of the user who left ends', (t) =>
    tells(t, setup, () => api.post('/auth/logout', { refreshToken: pAgent.refreshToken }), {
      p: [],
      q: [],
      all: ["session pAgent's"],
    }),
  );
  t.equal((await database.query('SELECT 1 FROM memberships WHERE user_id = $1', [pAgent.userId])).length, 0);
});

t.test('actions of operators are sent to the organizations they affect', async (t) => {
  const setup = await openTwoOrganizations(t);
  const { app, loner, qAgent, pOther, both } = setup;
  await t.test('an account is disabled', (t) =>
    tells(t, setup, () => disableAccount(app.parts, qAgent.userId), {
      p: [],
      q: ['user qAgent', "session qAgent's"],
    }),
  );
  await t.test('an event about a user who is in neither organization', (t) =>
    tells(t, setup, () => disableAccount(app.parts, loner.userId), { p: [], q: [] }),
  );
  await t.test('a session is ended', (t) =>
    tells(t, setup, () => endAnySession(app.parts, pOther.sessionId), { p: ["session pOther's"], q: [] }),
  );
  await t.test('the last session of a user in both', (t) =>
    tells(t, setup, () => endAnySession(app.parts, both.inP.sessionId), {
      p: ["session both's in p"],
      q: ["session both's in p"],
    }),
  );
});

t.test('of the events about clients and organizations, an organization receives only its own', async (t) => {
  const setup = await openTwoOrganizations(t);
  const { app, api, database, names, p, q, pOwner } = setup;
  const clients = new Map<string, string>();
  for (const [name, organizationId] of Object.entries({ "p's": p.id, "q's": q.id, 'of all': null })) {
    const { id } = await seedClient(database, { organizationId });
    clients.set(name, id);
    names.set(id, name);
  }
  await t.test('a client of its own is changed', (t) =>
    tells(
      t,
      setup,
      () => api.patch(`/clients/${clients.get("p's")}`, { status: 'disabled' }, { token: pOwner.token }),
      { p: ["client p's"], q: [], all: ["client p's"] },
    ),
  );
  await t.test('a client of its own is deleted', (t) =>
    tells(t, setup, () => api.delete(`/clients/${clients.get("p's")}`, { token: pOwner.token }), {
      p: ["client p's"],
      q: [],
      all: ["client p's"],
    }),
  );
  const row = (kind: string, subject: string) =>
    database.query(
      `INSERT INTO revocations (id, kind, subject, epoch, not_before) VALUES (gen_random_uuid(), $1, $2,
         CASE WHEN $1 = 'client' THEN 1 END, CASE WHEN $1 = 'everything' THEN now() - interval '1 hour' END)`,
      [kind, subject],
    );
  await t.test('a client of the other organization or of the installation, in rows without an organization', (t) =>
    tells(
      t,
      setup,
      async () => {
        await row('client', clients.get("q's") ?? '');
        await row('client', clients.get('of all') ?? '');
        await row('client', randomUUID());
      },
      { p: [], q: ["client q's"] },
    ),
  );
  await t.test('the other organization is suspended and activated again', async (t) => {
    const { accessToken: token } = await newAdministrator({ app, api } as never);
    const change = (which: string) => api.post(`/admin/organizations/${q.id}/${which}`, undefined, { token });
    await tells(t, setup, () => change('suspend'), { p: [], all: ['organization q'] });
    await tells(t, setup, () => change('activate'), { p: [], all: ['organization q'] });
    const { events } = (await api.get('/revocations', { token: setup.readers.q.token })).body.data;
    t.strictSame(
      told(setup, events),
      ["client q's", 'organization q'],
      'the client receives this when its organization is active again',
    );
  });
  await t.test('an event that ends all tokens is sent to every client', (t) =>
    tells(t, setup, () => row('everything', '00000000-0000-0000-0000-000000000000'), {
      p: ['everything'],
      q: ['everything'],
      all: ['everything'],
    }),
  );
});
