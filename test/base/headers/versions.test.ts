// Resources with an ETag: their changes honour If-Match, and a GET honours If-None-Match (RFC 9110 §13).
import t from 'tap';
import { describedEndpoints } from '../../../scripts/generate/endpoints.ts';
import { changesVersioned } from '../../../src/base/http/endpoint.ts';
import { atOnce, type CallOptions } from '../../support/client.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { openVersioned } from './versions.ts';

const ROUNDS = rounds(20);
const STALE = '"AAAAAAAAAAAAAAAAAAAAAA"';
const given = (value: string): CallOptions => ({ headers: { 'if-match': value } });

t.test(
  'the tag of each resource changes with each change, and a stale tag, a weak tag and nonsense change nothing',
  async (t) => {
    const { api, resources } = await openVersioned(t);
    for (const { path, token, change, others = [], remove } of resources) {
      const read = async () => (await api.get(path, { token })).headers.get('etag') ?? '';
      let now = await read();
      t.match(now, /^"[\w-]{22}"$/, path);
      t.equal(await read(), now, `${path}: two reads have the same tag`);
      const all = [...(change ? [change] : []), ...others, ...(remove ? [remove] : [])];
      for (const request of all) {
        for (const value of [STALE, `W/${now}`, `${STALE}, W/${now}`]) {
          refused(t, await request(given(value)), 'precondition_failed', `${path}: ${value}`);
        }
        for (const value of ['nonsense', now.slice(0, -1), now.replaceAll('"', ''), `*, ${now}`]) {
          refused(t, await request(given(value)), 'bad_request', `${path}: ${value}`);
        }
        refused(
          t,
          await request({ headers: { 'if-none-match': now } }),
          'precondition_failed',
          `${path}: If-None-Match`,
        );
        t.equal(await read(), now, `${path}: unchanged`);
      }
      for (const value of change ? [null, '*', 'now', `${STALE}, now`] : []) {
        const options = value === null ? {} : given(value.replace('now', now));
        const changed = await change?.(options);
        t.equal(changed?.status, 200, `${path}: ${value} ${changed?.text}`);
        t.not(changed?.headers.get('etag'), now, `${path}: another tag`);
        now = await read();
        t.equal(changed?.headers.get('etag'), now, `${path}: the answer of the change has the tag of the next read`);
      }
      if (remove) t.equal((await remove(given(now))).status, 204, `${path}: removed`);
      if (remove)
        t.equal((await remove(given(now))).code === 'precondition_failed', false, `${path}: gone, not changed`);
    }
  },
);

t.test('every endpoint with a version is tried above', async (t) => {
  const { resources } = await openVersioned(t);
  const tried = new Set(resources.flatMap(({ operations }) => operations));
  const versioned = describedEndpoints().filter(({ versioned: schema }) => schema !== undefined);
  const untried = versioned
    .filter((one) => one.method === 'GET' || changesVersioned(one))
    .filter(({ id }) => !tried.has(id));
  t.same(
    untried.map(({ id }) => id),
    [],
  );
  const changing = describedEndpoints().filter(({ method }) => ['PATCH', 'PUT'].includes(method));
  t.same(
    changing.filter((one) => one.versioned === undefined && !one.ignoresConditions).map(({ id }) => id),
    [],
    'every PATCH has one, or ignores conditions',
  );
});

t.test('a GET with the tag in If-None-Match is answered with 304, without a body', async (t) => {
  const { api, resources } = await openVersioned(t);
  for (const { path, token } of resources) {
    const etag = (await api.get(path, { token })).headers.get('etag') ?? '';
    const ask = (value: string) => api.get(path, { token, headers: { 'if-none-match': value } });
    for (const value of [etag, `W/${etag}`, `${STALE}, ${etag}`, '*']) {
      const reply = await ask(value);
      t.same([reply.status, reply.text, reply.headers.get('etag')], [304, '', etag], `${path}: ${value}`);
    }
    for (const value of [STALE, 'nonsense', etag.slice(1)])
      t.equal((await ask(value)).status, 200, `${path}: ${value}`);
    t.equal((await api.get(path, { token, ...given(STALE) })).code, 'precondition_failed', path);
  }
});

t.test('a tag is the same for every viewer and in every replica', async (t) => {
  const { database, service, api, organization, resources, join } = await openVersioned(t);
  const { api: other } = await openService(t, database);
  const admin = (await join('admin')).token;
  const { token: client } = await seedClientWithToken(service.app, database, {
    organizationId: organization.id,
    permissions: ['*:*'],
  });
  for (const { path, token } of resources) {
    const tag = async (from: typeof api, as: string) => {
      const reply = await from.get(path, { token: as });
      return reply.status === 200 ? reply.headers.get('etag') : null;
    };
    const etag = await tag(api, token);
    t.equal(await tag(other, token), etag, `${path} of another replica`);
    if (path === '/me' || path.startsWith('/admin')) continue; // only one person sees this representation
    for (const viewer of [admin, client]) t.ok([etag, null].includes(await tag(api, viewer)), `${path} of a viewer`);
  }
});

t.test(
  'the created resource has the tag of the next read, without the secret that only the creation shows',
  async (t) => {
    const { api, owner: token } = await openVersioned(t);
    const bodies = {
      roles: { name: 'made', level: 1, permissions: ['deals:read'] },
      clients: { name: 'made', permissions: [] },
      invitations: { email: 'made@example.com', roles: [{ role: 'agent' }] },
    };
    for (const [collection, body] of Object.entries(bodies)) {
      const made = await api.post(`/${collection}`, body, { token });
      t.equal(made.status, 201, made.text);
      const read = await api.get(`/${collection}/${made.body.data.id}`, { token });
      t.equal(made.headers.get('etag'), read.headers.get('etag'), collection);
    }
    const id = (await api.get('/clients', { token })).body.data[0].id;
    const rotated = await api.post(`/clients/${id}/secret`, {}, { token });
    t.equal(rotated.headers.get('etag'), (await api.get(`/clients/${id}`, { token })).headers.get('etag'), 'rotated');
  },
);

t.test('a caller without the permission, or of another organization, learns nothing from a condition', async (t) => {
  const { api, database, resources, owner, join } = await openVersioned(t);
  const viewer = (await join('viewer')).token;
  const outsider = (await (await furtherTeam(database, api)).join('owner')).token;
  const role = resources.find(({ path }) => path.startsWith('/roles/'));
  const path = role?.path ?? '';
  const etag = (await api.get(path, { token: owner })).headers.get('etag') ?? '';
  for (const value of [etag, STALE, '*', 'nonsense']) {
    const change = (token: string) => api.patch(path, { level: 2 }, { token, ...given(value) });
    t.equal((await change(viewer)).code, 'permission_denied', value);
    if (value !== 'nonsense') t.equal((await change(outsider)).code, 'not_found', value);
  }
});

t.test('a change of something without a tag refuses If-Match with tags, and accepts "*"', async (t) => {
  const { api, owner: token } = await openVersioned(t);
  const session = (await api.get('/me/sessions', { token })).body.data[0].id;
  const paths = ['/me/sessions', `/me/sessions/${session}`];
  for (const path of paths) {
    refused(t, await api.delete(path, { token, ...given(STALE) }), 'precondition_failed', path);
    refused(t, await api.delete(path, { token, ...given('nonsense') }), 'bad_request', path);
  }
  refused(
    t,
    await api.post('/roles', { name: 'x', level: 0, permissions: [] }, { token, ...given(STALE) }),
    'precondition_failed',
    'create',
  );
  t.equal((await api.delete('/me/sessions', { token, ...given('*') })).status, 200);
  const verified = await api.get('/verify', { token, ...given(STALE) });
  t.not(verified.code, 'precondition_failed', 'a condition for another service is not judged');
});

t.test('two If-Match headers are refused', async (t) => {
  const { api, owner } = await openVersioned(t);
  const etag = (await api.get('/organizations/current', { token: owner })).headers.get('etag') ?? '';
  const tag = `If-Match: ${etag}`;
  const fields = [`Authorization: Bearer ${owner}`, 'Content-Type: application/json', 'Content-Length: 12'];
  const send = (...tags: string[]) =>
    sendRaw(api.url, `${requestHead('PATCH', '/api/v1/organizations/current', ...fields, ...tags)}{"name":"x"}`);
  t.equal((await send(tag, tag)).status, 400, 'the same tag twice');
  t.equal((await send(tag)).status, 200, 'once');
});

t.test('of two changes at the same moment with the same tag, exactly one is made', async (t) => {
  const { api, database, resources } = await openVersioned(t);
  for (const { path, token, change } of resources) {
    if (!change || path.startsWith('/admin')) continue; // suspending twice is one change
    // The mails to one address are limited, so the invitation is changed in few rounds.
    const times = path.startsWith('/invitations') ? 2 : ROUNDS;
    for (let round = 0; round < times; round += 1) {
      await database.query('UPDATE memberships SET changes_paid_until = NULL'); // a member may be changed a few times
      await database.query('UPDATE organizations SET role_changes_paid_until = NULL');
      const etag = (await api.get(path, { token })).headers.get('etag') ?? '';
      const replies = await atOnce(2, () => change(given(etag)));
      t.same(replies.map(({ status }) => status).sort(), [200, 412], path);
    }
  }
});
