// What administrators of the platform see of organizations and how they search for them. All other users are refused.
import t, { type Test } from 'tap';
import {
  grantPlatformAdministrator,
  revokePlatformAdministrator,
} from '../../../src/admin/administrators/administrators.ts';
import { createOrganizationForOwner } from '../../../src/admin/organizations/create-for-owner.ts';
import { getOrganizationByReference, listOrganizations } from '../../../src/admin/organizations/organizations.ts';
import type { Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { lookupOf } from '../../support/personal.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const LIST = '/admin/organizations';

async function opened(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const administrator = await newAdministrator(service);
  const token = administrator.accessToken;
  const list = (query = '') => service.api.get(`${LIST}${query}`, { token });
  return { ...service, database, administrator, token, list };
}

const slugs = (reply: Reply) => reply.body.data.map(({ slug }: { slug: string }) => slug);

t.test('an administrator of the platform reads any organization, without its settings', async (t) => {
  const { api, token } = await opened(t);
  const { organization, accessToken } = await newAccount(api);
  await api.patch('/organizations/current', { settings: { secret: 1 } }, { token: accessToken });
  const reply = await api.get(`${LIST}/${organization.id.toUpperCase()}`, { token });
  t.equal(reply.status, 200);
  const { createdAt, updatedAt, subscription } = reply.body.data;
  t.strictSame(reply.body, { data: { ...organization, status: 'active', subscription, createdAt, updatedAt } });
  t.match(subscription, { plan: 'trial', status: 'trialing', trialEndsAt: /Z$/, limits: { teamMembers: 2 } });
  const unknown = await api.get(`${LIST}/019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01`, { token });
  refused(t, unknown, 'not_found', 'an unknown organization');
  refused(t, await api.get(`${LIST}/${organization.slug}`, { token }), 'validation_failed', 'a slug is not an id');
});

t.test('organizations are found by the start of their slug or name, in any letter case, and by status', async (t) => {
  const { api, token, list, database } = await opened(t);
  const named = (name: string, slug: string) => api.post('/organizations', { name, slug }, { token });
  await named('Zebra Works', 'stripes');
  await named('ZEBRA CROSSING', 'road');
  await named('Äpfel & Birnen', 'obst');
  await named('100% Wool', 'wool_x'.replace('_', '-'));
  await named('under_score', 'under');
  await named('A', 'zebra-finch');
  t.strictSame(slugs(await list('?q=zeb')), ['stripes', 'road', 'zebra-finch'], 'the oldest organization comes first');
  t.strictSame(slugs(await list('?q=ZEBRA%20C')), ['road']);
  for (const q of ['ÄP', 'äp', 'Äp', 'äP']) t.strictSame(slugs(await list(`?q=${encodeURIComponent(q)}`)), ['obst'], q);
  t.strictSame(slugs(await list(`?q=${encodeURIComponent('A\u0308pf')}`)), ['obst'], 'both forms of Unicode find it');
  t.strictSame(slugs(await list('?q=bra')), [], 'a match must be at the start');
  for (const [q, found] of [
    ['100%', ['wool-x']],
    ['1%', []],
    ['under_', ['under']],
    ['_nder', []],
    ['%', []],
    ['\\', []],
    ["'", []],
  ] as const) {
    t.strictSame(slugs(await list(`?q=${encodeURIComponent(q)}`)), found, `${q} is not a pattern`);
  }
  await database.query("UPDATE organizations SET status = 'suspended' WHERE slug IN ('road', 'obst')");
  t.strictSame(slugs(await list('?status=suspended')), ['road', 'obst']);
  t.strictSame(slugs(await list('?status=suspended&q=z')), ['road']);
  t.strictSame(slugs(await list('?status=active&q=z')), ['stripes', 'zebra-finch']);
});

t.test('the list is paged, and each page contains the total', async (t) => {
  const { api, token, list } = await opened(t);
  for (let made = 0; made < 6; made += 1)
    await api.post('/organizations', { name: 'Same', slug: `same-${made}` }, { token });
  for (const query of ['', '&q=same', '&status=active', '&q=same&status=active']) {
    const total = query.includes('q=') ? 6 : 7;
    const all: string[] = [];
    for (let offset = 0; offset < total; offset += 4) {
      const reply = await list(`?limit=4&offset=${offset}${query}`);
      all.push(...slugs(reply));
      t.strictSame(reply.body.pagination, { total, limit: 4, offset, hasMore: offset + 4 < total }, query);
    }
    t.equal(new Set(all).size, total, `each once${query}`);
    const past = await list(`?limit=4&offset=100${query}`);
    t.strictSame(past.body, { data: [], pagination: { total, limit: 4, offset: 100, hasMore: false } });
  }
  for (const query of [
    '?limit=0',
    '?limit=101',
    '?offset=-1',
    '?q=',
    '?status=gone',
    '?name=x',
    `?q=${'x'.repeat(121)}`,
  ]) {
    refused(t, await list(query), 'validation_failed', query);
  }
});

t.test('no other user has access, whatever rights the user has in organizations', async (t) => {
  const { api, app, administrator } = await opened(t);
  const owner = await newAccount(api);
  const loner = await newAccountWithoutOrganization(api);
  const { id } = administrator.organization;
  for (const [who, account] of Object.entries({ owner, loner })) {
    const token = account.accessToken;
    for (const reply of [
      await api.get(LIST, { token }),
      await api.get(`${LIST}/${id}`, { token }),
      await api.post(`${LIST}/${id}/suspend`, undefined, { token }),
      await api.post(`${LIST}/${id}/activate`, undefined, { token }),
    ]) {
      refused(t, reply, 'permission_denied', who);
    }
  }
  refused(t, await api.get(LIST), 'unauthenticated', 'nobody');
  await grantPlatformAdministrator(app.parts, loner.email);
  t.equal((await api.get(LIST, { token: loner.accessToken })).status, 200, 'no organization is needed');
});

t.test('granting and withdrawing the right take effect at the next request, even for a disabled user', async (t) => {
  const { api, app, database } = await opened(t);
  const { email, userId, accessToken: token } = await newAccount(api);
  const statusNow = async () => (await api.get(LIST, { token })).status;
  t.equal(await statusNow(), 403);
  t.equal(await grantPlatformAdministrator(app.parts, email.toUpperCase()), true);
  t.equal(await grantPlatformAdministrator(app.parts, email), false, 'a repeated grant changes nothing');
  t.equal(await statusNow(), 200);
  t.equal(await revokePlatformAdministrator(app.parts, email), true);
  t.equal(await revokePlatformAdministrator(app.parts, email), false);
  t.equal(await statusNow(), 403);
  await grantPlatformAdministrator(app.parts, email);
  await database.query("UPDATE users SET status = 'disabled' WHERE id = $1", [userId]);
  t.equal(await statusNow(), 403);
  const events = await database.query<{ type: string }>(
    "SELECT type FROM events WHERE target_id = $1 AND type LIKE 'platform%' ORDER BY at",
    [userId],
  );
  const [granted, revoked] = ['platform_administrator.granted', 'platform_administrator.revoked'];
  t.strictSame(
    events.map(({ type }) => type),
    [granted, revoked, granted],
  );
  await t.rejects(grantPlatformAdministrator(app.parts, 'nobody@example.com'), { code: 'not_found' });
  await t.rejects(revokePlatformAdministrator(app.parts, 'no address'), { code: 'not_found' });
});

t.test('an administrator of the platform has no rights in an organization', async (t) => {
  const { api, administrator, token } = await opened(t);
  const other = await newAccount(api);
  const { email, password } = administrator;
  const { id } = other.organization;
  refused(
    t,
    await api.post('/auth/login', { email, password, organization: id }),
    'organization_access_denied',
    'login',
  );
  const headers = { 'x-tenant-id': id };
  refused(
    t,
    await api.get('/organizations/current', { token, headers }),
    'tenant_mismatch',
    'an organization named by a header',
  );
});

t.test('an operator creates an organization for a user with an account', async (t) => {
  const { api, app, database } = await opened(t);
  const { email, password, userId } = await newAccountWithoutOrganization(api);
  const founded = await createOrganizationForOwner(app.parts, { ownerEmail: email, name: 'Für Eva', slug: null });
  t.match(founded, { organization: { name: 'Für Eva', slug: 'fuer-eva' }, subscription: { status: 'trialing' } });
  const signed = await api.post('/auth/login', { email, password });
  t.match(signed.body.data, { user: { id: userId }, organization: founded.organization, roles: ['owner'] });
  const again = { ownerEmail: email, name: 'X', slug: 'fuer-eva' };
  await t.rejects(createOrganizationForOwner(app.parts, again), { code: 'slug_taken' });
  await t.rejects(createOrganizationForOwner(app.parts, { ...again, ownerEmail: 'nobody@x.org' }), {
    code: 'not_found',
  });
  await database.query(`UPDATE users SET status = 'disabled' WHERE email_lookup = $1`, [
    lookupOf('users.email', email),
  ]);
  const disabled = createOrganizationForOwner(app.parts, { ...again, slug: null });
  await t.rejects(disabled, { code: 'account_disabled', message: /owner is disabled/ });
  const { id, slug } = founded.organization;
  for (const reference of [id, slug, slug.toUpperCase(), id.toUpperCase()]) {
    t.equal((await getOrganizationByReference(app.parts, reference)).id, id);
  }
  const found = await listOrganizations(app.parts, { prefix: 'fuer', status: null }, { limit: 1, offset: 0 });
  t.match(found, { data: [{ id }], pagination: { total: 1 } });
});
