// A request with an Idempotency-Key has one effect, and a repeat gets the same answer
// (draft-ietf-httpapi-idempotency-key-header-07).
import { createHash } from 'node:crypto';
import t from 'tap';
import { describedEndpoints } from '../../../scripts/generate/endpoints.ts';
import { statement } from '../../../src/base/database/db.ts';
import { removeExpiredKeys } from '../../../src/base/idempotency/remove-expired.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { countOf, newKey, openKeyed, requestsOf, send } from './requests.ts';

const REPLAYED = 'idempotency-replayed';

t.test('a repeat has no second effect and gets the same answer, in every replica', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  const { api: other } = await openService(t, database);
  for (const request of requests) {
    const key = newKey();
    const before = await countOf(database, request);
    const first = await send(api, request, key);
    t.ok([200, 201].includes(first.status), `${request.id}: ${first.status} ${first.text}`);
    t.equal(first.headers.get(REPLAYED), null);
    for (const from of [api, other]) {
      const again = await send(from, request, from === api ? key : `"${key}"`);
      t.equal(again.status, first.status, request.id);
      t.equal(again.text, first.text, `${request.id}: the same body, with its secrets`);
      t.equal(again.headers.get(REPLAYED), 'true', request.id);
      t.equal(again.headers.get('etag'), first.headers.get('etag'), request.id);
      t.not(again.headers.get('x-request-id'), first.headers.get('x-request-id'), 'a request of its own');
    }
    t.equal(await countOf(database, request), before + 1, `${request.id}: one effect`);
  }
});

t.test('every endpoint that takes a key is tried here', async (t) => {
  const { requests } = await openKeyed(t);
  const taking = describedEndpoints().filter(({ idempotent }) => idempotent);
  t.same(taking.map(({ id }) => id).sort(), requests.map(({ id }) => id).sort());
});

t.test('the order of members does not matter, and a request without a key is another request', async (t) => {
  const { api, owner: token, database } = await openKeyed(t);
  const key = newKey();
  const headers = { 'idempotency-key': key, 'content-type': 'application/json' };
  const raw = (text: string) => api.call('POST', '/clients', undefined, { token, raw: text, headers });
  const first = await raw('{"name":"x","permissions":[]}');
  t.equal((await raw('{ "permissions": [], "name": "x" }')).text, first.text);
  const others = [await api.post('/clients', { name: 'x', permissions: [] }, { token })];
  others.push(await send(api, { path: '/clients', token, body: { name: 'x', permissions: [] } }, newKey()));
  t.equal(new Set([first, ...others].map(({ body }) => body.data.id)).size, 3, 'three clients');
  t.equal((await database.query("SELECT 1 FROM clients WHERE name = 'x'")).length, 3);
});

t.test('the same key with another request is refused and changes nothing', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  for (const request of requests) {
    const key = newKey();
    await send(api, request, key);
    const before = await countOf(database, request);
    if (request.otherBody) {
      refused(t, await send(api, { ...request, body: request.otherBody }, key), 'idempotency_key_reused', request.id);
    }
    t.equal(await countOf(database, request), before, request.id);
    t.equal((await send(api, request, key)).headers.get(REPLAYED), 'true', 'the first request can still be repeated');
  }
  const resend = requests.find(({ id }) => id === 'resendInvitation');
  const create = requests.find(({ id }) => id === 'createInvitation');
  if (!resend || !create) throw new Error('no invitations');
  const key = newKey();
  await send(api, resend, key);
  const other = (await send(api, { ...create, body: { ...create.body, email: 'b@example.com' } }, newKey())).body.data
    .id;
  const path = `/invitations/${other}/resend`;
  refused(t, await send(api, { ...resend, path }, key), 'idempotency_key_reused', 'another path of the route');
});

t.test('a malformed, short or long key is refused before anything happens', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  for (const request of requests) {
    const before = await countOf(database, request);
    for (const key of ['short', '"unclosed-0123456789', 'x'.repeat(300), 'two words 0123456789']) {
      refused(t, await send(api, request, key), 'bad_request', `${request.id}: ${key}`);
    }
    t.equal(await countOf(database, request), before, request.id);
  }
});

t.test('a key belongs to its caller and route: another caller or route can use the same text', async (t) => {
  const keyed = await openKeyed(t);
  const { api, database, owner, join } = keyed;
  const outsider = (await (await furtherTeam(database, api)).join('owner')).token;
  const colleague = (await join('owner')).token;
  const key = newKey();
  const body = { name: 'same', permissions: [] };
  const replies = [];
  for (const token of [owner, outsider, colleague])
    replies.push(await send(api, { path: '/clients', token, body }, key));
  t.same(
    replies.map(({ status }) => status),
    [201, 201, 201],
  );
  t.equal(new Set(replies.map(({ body: { data } }) => data.clientSecret)).size, 3);
  const role = { path: '/roles', token: owner, body: { name: 'same', level: 0, permissions: [] } };
  t.equal((await send(api, role, key)).headers.get(REPLAYED), null, 'another route');
});

t.test('a caller who has lost the right gets no kept answer', async (t) => {
  const { api, database, organization, join } = await openKeyed(t);
  const { token, userId } = await join('owner');
  const request = { path: '/clients', token, body: { name: 'x', permissions: [] } };
  const key = newKey();
  t.equal((await send(api, request, key)).status, 201);
  const second = (await join('owner')).token;
  const demoted = await api.patch(`/users/${userId}`, { roles: [{ role: 'viewer' }] }, { token: second });
  t.equal(demoted.status, 200, demoted.text);
  t.equal((await send(api, request, key)).code, 'token_stale');
  t.equal(
    (await database.query('SELECT 1 FROM clients WHERE organization_id = $1 AND name = $2', [organization.id, 'x']))
      .length,
    1,
  );
});

t.test(
  'a user who creates an organization gets the same answer after the token has changed its organization',
  async (t) => {
    const { api, database } = await openKeyed(t);
    const body = { email: 'switch@example.com', password: 'a long password', name: 'Ada' };
    const { accessToken, refreshToken } = (await api.post('/auth/register', body)).body.data;
    const key = newKey();
    const first = await send(api, { path: '/organizations', token: accessToken, body: { name: 'Mine' } }, key);
    const options = { refreshToken, organization: first.body.data.slug };
    const token = (await api.post('/auth/refresh', options)).body.data.accessToken;
    const again = await send(api, { path: '/organizations', token, body: { name: 'Mine' } }, key);
    t.equal(again.text, first.text);
    t.equal((await database.query("SELECT 1 FROM organizations WHERE name = 'Mine'")).length, 1);
  },
);

t.test('a refused request is not kept: a repeat is judged again', async (t) => {
  const { api, owner: token } = await openKeyed(t);
  const key = newKey();
  const role = (body: object) =>
    send(api, { path: '/roles', token, body: { level: 1, permissions: [], ...body } }, key);
  refused(t, await role({ name: 'Not A Name' }), 'validation_failed', 'invalid');
  refused(t, await role({ name: 'owner' }), 'role_name_taken', 'taken');
  t.equal((await role({ name: 'mended' })).status, 201, 'the same key with a mended body');
  t.equal((await role({ name: 'mended' })).headers.get(REPLAYED), 'true');
});

t.test('a repeated registration by cookie sets the same cookie, and is refused from a foreign origin', async (t) => {
  const { api } = await openKeyed(t);
  const key = newKey();
  const body = { email: 'cookie@example.com', password: 'a long password', name: 'Ada', transport: 'cookie' };
  const first = await send(api, { path: '/auth/register', body }, key);
  const again = await send(api, { path: '/auth/register', body }, key);
  t.equal(first.setCookie.length, 1);
  t.same(again.setCookie, first.setCookie);
  t.equal(again.text, first.text);
  const headers = { 'idempotency-key': key, origin: 'https://evil.example' };
  const foreign = await api.post('/auth/register', body, { headers });
  refused(t, foreign, 'cross_site_request', 'foreign');
  t.same(foreign.setCookie, []);
});

t.test(
  'the tokens of a repeated registration are those of the first answer, and are refused after a logout',
  async (t) => {
    const { api } = await openKeyed(t);
    const key = newKey();
    const body = { email: 'logout@example.com', password: 'a long password', name: 'Ada' };
    const { refreshToken } = (await send(api, { path: '/auth/register', body }, key)).body.data;
    t.equal((await api.post('/auth/logout', { refreshToken })).status, 204);
    const again = await send(api, { path: '/auth/register', body }, key);
    t.equal(again.status, 201);
    t.equal((await api.get('/me', { token: again.body.data.accessToken })).code, 'session_revoked');
    t.equal((await api.post('/auth/refresh', { refreshToken: again.body.data.refreshToken })).code, 'session_revoked');
  },
);

t.test('the database has neither keys nor bodies nor answers in plaintext', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  const secrets: string[] = [];
  for (const request of requests) {
    const key = newKey();
    const { data } = (await send(api, request, key)).body;
    const words = [key, request.body.password, data.clientSecret, data.accessToken, data.refreshToken, data.id];
    secrets.push(...words.filter((word) => typeof word === 'string'));
  }
  const rows = await database.query<Record<string, unknown>>('SELECT * FROM idempotency_keys');
  t.equal(rows.length, requests.length);
  const bytes = Buffer.concat(
    rows
      .flatMap((row) => Object.values(row))
      .map((value) => (Buffer.isBuffer(value) ? value : Buffer.from(String(value)))),
  );
  const forms = secrets.flatMap((secret) => {
    const hash = createHash('sha256').update(secret).digest();
    return [Buffer.from(secret), hash, Buffer.from(hash.toString('hex')), Buffer.from(secret).subarray(0, 16)];
  });
  t.same(
    forms.filter((form) => bytes.includes(form)),
    [],
  );
});

t.test('a key is free again after 24 hours, and the expired answers are removed', async (t) => {
  const { api, service, database, owner: token } = await openKeyed(t);
  const request = { path: '/clients', token, body: { name: 'x', permissions: [] } };
  const key = newKey();
  const first = await send(api, request, key);
  const [{ seconds } = { seconds: 0 }] = await database.query<{ seconds: number }>(
    'SELECT extract(epoch FROM expires_at - created_at)::int AS seconds FROM idempotency_keys',
  );
  t.equal(seconds, 86_400);
  await database.query("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'");
  const second = await send(api, request, key);
  t.not(second.body.data.id, first.body.data.id, 'a new request');
  t.equal((await send(api, request, key)).text, second.text);
  await database.query(`INSERT INTO idempotency_keys (id, secret_id, fingerprint, answer, expires_at)
    SELECT sha256(n::text::bytea), 'x', sha256('x'), 'x', now() - interval '1 second' FROM generate_series(1, 2500) n`);
  await removeExpiredKeys(service.app.parts.db);
  t.equal((await database.query('SELECT 1 FROM idempotency_keys')).length, 1, 'the live one stays');
});

t.test('the number of kept keys of a caller is bounded, and repeats still get their answers', async (t) => {
  const { database, owner: token } = await openKeyed(t);
  const { api } = await openService(t, database, { IDEMPOTENCY_KEYS_MAX: '2' });
  const request = (name: string) => ({ path: '/clients', token, body: { name, permissions: [] } });
  const keys = [newKey(), newKey()];
  for (const key of keys) t.equal((await send(api, request(key), key)).status, 201);
  const over = await send(api, request('x'), newKey());
  refused(t, over, 'too_many_requests', 'over');
  const wait = Number(over.headers.get('retry-after'));
  t.ok(wait > 86_000 && wait <= 86_400, `${wait}`);
  t.equal((await send(api, request(keys[0] ?? ''), keys[0] ?? '')).headers.get(REPLAYED), 'true');
  t.equal((await api.post('/clients', { name: 'x', permissions: [] }, { token })).status, 201, 'without a key');
  const other = await requestsOf({ api }, token);
  t.equal((await send(api, other[0] as never, newKey())).status, 201, 'another caller');
});

t.test('an answer whose signing key was removed cannot be opened, and the request is not done again', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  for (const request of requests.slice(0, 2)) {
    const key = newKey();
    await send(api, request, key);
    const before = await countOf(database, request);
    await database.query("UPDATE idempotency_keys SET secret_id = 'gone'");
    refused(t, await send(api, request, key), 'idempotency_answer_lost', request.id);
    t.equal(await countOf(database, request), before);
  }
});

t.test('an organization can add kept answers of its own, and can neither read nor change nor remove any', async (t) => {
  const { service, database, organization } = await openKeyed(t);
  const { organization: other } = await furtherTeam(database, service.api);
  const reader = service.app.parts.db.organizationReader({ organizationId: organization.id });
  const ask = (text: string, values: unknown[] = []) => reader.rows(statement(text), values);
  const insert = `INSERT INTO idempotency_keys (id, organization_id, secret_id, fingerprint, answer)
    VALUES (sha256($1::text::bytea), $2, 'x', sha256('x'), 'x')`;
  const REFUSED = { code: '42501' };
  await ask(insert, ['own', organization.id]);
  await t.rejects(ask(insert, ['other', other.id]), REFUSED, 'a row of another organization');
  await t.rejects(ask(insert, ['none', null]), REFUSED, 'a row of no organization');
  await t.rejects(ask('SELECT answer FROM idempotency_keys'), REFUSED);
  await t.rejects(ask("UPDATE idempotency_keys SET expires_at = now() + interval '9 years'"), REFUSED);
  await t.rejects(ask('DELETE FROM idempotency_keys'), REFUSED);
  const expiring = insert.replace('answer)', 'answer, expires_at)').replace(/'x'\)$/, "'x', now())");
  await t.rejects(ask(expiring, ['late', organization.id]), REFUSED, 'a lifetime of its own choice');
  t.equal((await database.query('SELECT 1 FROM idempotency_keys')).length, 1);
});

t.test('deleting an organization removes its kept answers', async (t) => {
  const { api, database, owner: token } = await openKeyed(t);
  await send(api, { path: '/clients', token, body: { name: 'x', permissions: [] } }, newKey());
  t.equal((await database.query('SELECT 1 FROM idempotency_keys')).length, 1);
  t.equal((await api.delete('/organizations/current', { token })).status, 204);
  t.same(await database.query('SELECT 1 FROM idempotency_keys'), []);
});
