// The suspension of an organization takes effect at once in the same process, and in other processes after their next
// read. It applies to every kind of access, and can be undone.
import t, { type Test } from 'tap';
import { activateOrganization, suspendOrganization } from '../../../src/admin/organizations/organizations.ts';
import { type Api, atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

async function opened(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const administrator = await newAdministrator(service);
  const account = await newAccount(service.api);
  const org = account.organization.id;
  const change = (to: 'suspend' | 'activate', id = org) =>
    service.api.post(`/admin/organizations/${id}/${to}`, undefined, { token: administrator.accessToken });
  return { ...service, database, administrator, account, org, change };
}

function loginOf({ email, password }: Account) {
  return { email, password };
}

t.test(
  'after a suspension tokens, refreshes and sign-ins are refused at once, and an activation restores all access',
  async (t) => {
    const { api, account, org, change } = await opened(t);
    const token = account.accessToken;
    const stranger = await newAccount(api);
    const suspended = await change('suspend');
    t.match([suspended.status, suspended.body.data], [200, { id: org, status: 'suspended' }]);
    t.match(await api.get('/me', { token }), { status: 401, code: 'organization_suspended' });
    t.match(await api.get('/organizations/current', { token }), { status: 401, code: 'organization_suspended' });
    const { refreshToken } = account;
    refused(t, await api.post('/auth/refresh', { refreshToken }), 'organization_suspended', 'refresh');
    refused(
      t,
      await api.post('/auth/login', { ...loginOf(account), organization: org }),
      'organization_suspended',
      'login',
    );
    refused(
      t,
      await api.post('/auth/switch-organization', { organization: org }, { token }),
      'organization_suspended',
      'switch',
    );
    const elsewhere = await api.post('/auth/login', loginOf(account));
    t.match(elsewhere.body.data, { organization: null, memberships: [] }, 'a sign-in without a name acts for none');
    const headers = { 'x-tenant-id': org };
    const lone = elsewhere.body.data.accessToken;
    refused(t, await api.get('/me', { token: lone, headers }), 'organization_suspended', 'named by a header');
    t.equal(
      (await api.get('/me', { token: stranger.accessToken })).status,
      200,
      'other organizations are not affected',
    );
    t.match((await change('activate')).body.data, { id: org, status: 'active' });
    t.equal((await api.get('/me', { token })).status, 200, 'the very same access token works again');
    t.equal((await api.get('/me', { token: lone, headers })).body.data.organization.id, org);
    t.equal(
      (await api.post('/auth/refresh', { refreshToken })).body.data.organization.id,
      org,
      'so does the refresh token',
    );
  },
);

t.test('a second suspension or activation changes nothing and writes no event and no revocation', async (t) => {
  const { database, administrator, org, change } = await opened(t);
  for (const [to, status] of [
    ['activate', 'active'],
    ['suspend', 'suspended'],
    ['suspend', 'suspended'],
    ['activate', 'active'],
    ['activate', 'active'],
  ] as const) {
    t.match(await change(to), { status: 200, body: { data: { status } } });
  }
  t.strictSame((await eventsAbout(database, org)).slice(1), ['organization.suspended', 'organization.activated']);
  const actors = await database.query(
    "SELECT actor_id AS actor, organization_id AS org FROM events WHERE type LIKE 'organization.%ed' AND type <> 'organization.created'",
  );
  t.strictSame(actors, Array(2).fill({ actor: administrator.userId, org }));
  const revocations = await database.query('SELECT state FROM revocations WHERE subject = $1 ORDER BY at', [org]);
  t.strictSame(revocations, [{ state: 'suspended' }, { state: 'active' }]);
  refused(t, await change('suspend', '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01'), 'not_found', 'an unknown organization');
});

t.test('an administrator can activate the organization that their own token acts for', async (t) => {
  const { api, administrator, change } = await opened(t);
  const { id } = administrator.organization;
  t.equal((await change('suspend', id)).status, 200);
  t.equal((await api.get('/me', { token: administrator.accessToken })).code, 'organization_suspended');
  t.equal((await change('activate', id)).status, 200);
  t.equal((await api.get('/me', { token: administrator.accessToken })).status, 200);
});

t.test('the user’s other organizations are not affected', async (t) => {
  const { api, database, account, change } = await opened(t);
  const globex = await seedOrganizationOf(database, account.userId, { slug: 'globex' });
  const there = (await api.post('/auth/login', { ...loginOf(account), organization: 'globex' })).body.data;
  await change('suspend');
  t.equal((await api.get('/me', { token: there.accessToken })).body.data.organization.id, globex);
  t.match((await api.get('/me/organizations', { token: there.accessToken })).body.pagination, { total: 1 });
});

t.test('another process follows the suspension and the activation after its next read', async (t) => {
  const { database, app, account, org } = await opened(t);
  const replica = await openService(t, database);
  const seen = async () => {
    await replica.app.parts.revocations.synchronize();
    return (await replica.api.get('/me', { token: account.accessToken })).status;
  };
  const result = await suspendOrganization(app.parts, account.organization.slug, null);
  t.match(result, { changed: true, organization: { id: org, status: 'suspended' } });
  t.equal(await seen(), 401);
  t.match(await activateOrganization(app.parts, org, null), { changed: true });
  t.equal(await seen(), 200);
  t.match(await suspendOrganization(replica.app.parts, org, null), { changed: true });
  t.equal((await replica.api.get('/me', { token: account.accessToken })).status, 401, 'it made the change itself');
});

t.test('a read that began before a change does not undo it', async (t) => {
  const { api, app, account, org } = await opened(t);
  const { revocations } = app.parts;
  const status = async () => (await api.get('/me', { token: account.accessToken })).status;
  for (let round = 0; round < rounds(50); round += 1) {
    const readings = () => Promise.all([revocations.synchronize(), revocations.synchronize()]);
    await Promise.all([readings(), suspendOrganization(app.parts, org, null)]);
    if ((await status()) !== 401) t.fail(`round ${round}: a suspended organization was accepted`);
    await Promise.all([activateOrganization(app.parts, org, null), readings()]);
    if ((await status()) !== 200) t.fail(`round ${round}: an active organization was refused`);
  }
  // The worst case: the read returns the state from before the change.
  await suspendOrganization(app.parts, org, null);
  revocations.publish([{ kind: 'organization', org, state: 'active', at: 0 }]);
  t.equal(await status(), 401);
});

t.test(
  'of simultaneous suspensions and activations the last counts, in the database and in every process',
  async (t) => {
    const { database, api, app, account, org } = await opened(t);
    const replica = await openService(t, database);
    const token = account.accessToken;
    for (let round = 0; round < rounds(50); round += 1) {
      const change = (at: typeof app, to: typeof suspendOrganization) => () => to(at.parts, org, null);
      const changes = [change(app, suspendOrganization), change(replica.app, activateOrganization)];
      await atOnce(4, (which) => (changes[which % 2] ?? changes[0])?.() ?? Promise.reject());
      const [row] = await database.query<{ status: string }>('SELECT status FROM organizations WHERE id = $1', [org]);
      const expected = row?.status === 'active' ? 200 : 401;
      await Promise.all([app, replica.app].map(({ parts }) => parts.revocations.synchronize()));
      const seen = await Promise.all(
        [api, replica.api].map(async (where: Api) => (await where.get('/me', { token })).status),
      );
      if (seen.some((status) => status !== expected)) t.fail(`round ${round}: ${row?.status}, but ${seen}`);
    }
    t.pass(`${rounds(50)} rounds`);
  },
);
