// The current organization: reading it, changing its name and settings, and their limits.
import t, { type Test } from 'tap';
import { type Api, atOnce } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const database = await createDatabase(t);
const CURRENT = '/organizations/current';

async function opened(t: Test) {
  const { api, app } = await openService(t, database);
  const account = await newAccount(api);
  return { api, app, account, token: account.accessToken, org: account.organization };
}

/** A member of another user's organization with a system role, and a token that acts for it. */
async function member(api: Api, owner: Account, role: string): Promise<string> {
  const { email, password, userId } = await newAccount(api);
  await seedMembership(database, { organizationId: owner.organization.id, userId, role });
  const reply = await api.post('/auth/login', { email, password, organization: owner.organization.id });
  return reply.body.data.accessToken;
}

async function rowOf(from: TestDatabase, id: string) {
  const [row] = await from.query('SELECT *, xmin::text AS version FROM organizations WHERE id = $1', [id]);
  return row;
}

t.test('every member with the right can read the organization with its settings', async (t) => {
  const { api, account, token, org } = await opened(t);
  const reply = await api.get(CURRENT, { token });
  t.equal(reply.status, 200);
  const { createdAt, updatedAt } = reply.body.data;
  t.strictSame(reply.body, { data: { ...org, status: 'active', settings: {}, createdAt, updatedAt } });
  t.match([createdAt, updatedAt], [/^20.*Z$/, /^20.*Z$/]);
  t.equal((await api.get(CURRENT, { token: await member(api, account, 'agent') })).status, 200);
  refused(t, await api.get(CURRENT, { token: await member(api, account, 'viewer') }), 'permission_denied', 'a viewer');
});

t.test('name and settings can be changed separately or together; a missing field stays unchanged', async (t) => {
  const { api, token, org } = await opened(t);
  const change = (body: object) => api.patch(CURRENT, body, { token });
  const named = (await change({ name: '  Zoe\u0308 & Co ' })).body.data;
  t.match(named, { id: org.id, slug: org.slug, name: 'Zo\u00eb & Co', settings: {} }, 'trimmed and composed');
  const settings = { theme: { dark: true }, limits: [1, 0.5, -3], note: 'a\nb' };
  t.strictSame((await change({ settings })).body.data.settings, settings);
  t.equal((await api.get(CURRENT, { token })).body.data.name, 'Zo\u00eb & Co');
  const both = (await change({ name: 'Third', settings: { alone: 1 } })).body.data;
  t.strictSame([both.name, both.settings], ['Third', { ...settings, alone: 1 }], 'settings are merged');
  t.equal((await api.get('/me', { token })).body.data.organization.name, 'Third');
  t.strictSame((await eventsAbout(database, org.id)).slice(1), Array(3).fill('organization.changed'));
  await change({ name: 'Third', settings: { alone: 2 } });
  const events = await database.query(
    "SELECT data, actor_id IS NOT NULL AS by FROM events WHERE target_id = $1 AND type = 'organization.changed' ORDER BY at",
    [org.id],
  );
  const changed = [['name'], ['settings'], ['name', 'settings'], ['settings']];
  const told = changed.map((fields) => ({ data: { changed: fields }, by: true }));
  t.strictSame(events, told, 'the events name the fields that changed, not the values');
});

t.test('a change of settings is merged key by key at every level, and null removes a key (RFC 7396)', async (t) => {
  const { api, token } = await opened(t);
  const change = async (settings: object) => (await api.patch(CURRENT, { settings }, { token })).body.data.settings;
  t.strictSame(await change({ a: 1, mail: { from: 'x', to: { name: 'y' } }, list: [1, 2] }), {
    a: 1,
    mail: { from: 'x', to: { name: 'y' } },
    list: [1, 2],
  });
  t.strictSame(await change({ mail: { to: { name: null, at: 'z' } }, list: [{ b: null }] }), {
    a: 1,
    mail: { from: 'x', to: { at: 'z' } },
    list: [{ b: null }],
  });
  t.strictSame(await change({ a: { b: { c: null } }, mail: null, list: {}, unknown: null }), {
    a: { b: {} },
    list: {},
  });
  t.strictSame(await change({ a: 'text' }), { a: 'text', list: {} });
  t.strictSame(await change({}), { a: 'text', list: {} }, 'an empty change changes nothing');
});

t.test(
  'the size of the settings is judged after the merge, and a change that would exceed it is not made',
  async (t) => {
    const { api, token } = await opened(t);
    const change = (settings: object) => api.patch(CURRENT, { settings }, { token });
    t.equal((await change({ a: 'x'.repeat(10_000) })).status, 200);
    refused(t, await change({ b: 'x'.repeat(10_000) }), 'validation_failed', 'too much together');
    t.same(Object.keys((await api.get(CURRENT, { token })).body.data.settings), ['a']);
    t.equal((await change({ a: null, b: 'x'.repeat(10_000) })).status, 200, 'one for the other');
  },
);

t.test('two changes of different keys at the same moment are both kept', async (t) => {
  const { api, token } = await opened(t);
  const ROUNDS = rounds(20);
  for (let round = 0; round < ROUNDS; round += 1) {
    const replies = await atOnce(4, (index) =>
      api.patch(
        CURRENT,
        { settings: index < 2 ? { [`k${index}`]: round } : { deep: { [`k${index}`]: round } } },
        { token },
      ),
    );
    t.same(
      replies.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    t.strictSame((await api.get(CURRENT, { token })).body.data.settings, {
      k0: round,
      k1: round,
      deep: { k2: round, k3: round },
    });
  }
});

t.test('a change to the same values writes nothing', async (t) => {
  const { api, token, org } = await opened(t);
  const body = { name: 'Same', settings: { b: 1, a: [1.5, { c: 'x' }] } };
  const first = await api.patch(CURRENT, body, { token });
  const before = await rowOf(database, org.id);
  const events = await eventsAbout(database, org.id);
  const again = await api.patch(CURRENT, { settings: { a: [1.5, { c: 'x' }], b: 1 }, name: 'Same' }, { token });
  t.equal(again.status, 200);
  t.strictSame(again.body, first.body);
  t.strictSame(await rowOf(database, org.id), before, 'the row was not written');
  t.strictSame(await eventsAbout(database, org.id), events);
});

t.test('settings have at most 16 KiB, counted in bytes of their compact JSON', async (t) => {
  const { api, token } = await opened(t);
  const change = (settings: unknown) => api.patch(CURRENT, { settings }, { token });
  const filled = (bytes: number, unit = 'x') => {
    const rest = bytes - Buffer.byteLength(JSON.stringify({ s: '' }));
    const width = Buffer.byteLength(JSON.stringify(unit)) - 2;
    return { s: unit.repeat(Math.floor(rest / width)) + 'x'.repeat(rest % width) };
  };
  for (const unit of ['x', 'é', '🚀', '"', '\n', '\u0001']) {
    const most = filled(16_384, unit);
    t.equal(Buffer.byteLength(JSON.stringify(most)), 16_384);
    const kept = await change(most);
    t.equal(kept.status, 200, `${JSON.stringify(unit)}: 16384 bytes`);
    t.strictSame(kept.body.data.settings, most, 'the settings are returned unchanged');
    refused(t, await change(filled(16_385, unit)), 'validation_failed', `${JSON.stringify(unit)}: 16385 bytes`);
  }
  const digits = { n: Array.from({ length: 5000 }, () => 1) };
  t.equal(
    (await change({ ...digits, s: null })).status,
    200,
    'a text that PostgreSQL stores with more spaces is accepted as well',
  );
  const spaced = `{"settings": ${' '.repeat(20_000)}{"a": 1}}`;
  await change({ n: null });
  const options = { token, raw: spaced, headers: { 'content-type': 'application/json' } };
  t.equal((await api.call('PATCH', CURRENT, undefined, options)).status, 200, 'spaces between members do not count');
});

t.test('a number in the settings must have the same value for every JSON reader', async (t) => {
  const { api, token } = await opened(t);
  const change = (text: string) =>
    api.call('PATCH', CURRENT, undefined, {
      token,
      raw: `{"settings":{"deep":[{"n":${text}}]}}`,
      headers: { 'content-type': 'application/json' },
    });
  for (const good of ['0', '9007199254740991', '-9007199254740991', '0.000001', '123456.789', '1e3']) {
    const reply = await change(good);
    t.equal(reply.status, 200, good);
    t.equal(reply.body.data?.settings.deep[0].n, Number(good), good);
  }
  for (const wrong of ['-0', '9007199254740992', '1e300', '1e999', '-1e999', '1e-7', '1e-300', '5e-324']) {
    refused(t, await change(wrong), 'validation_failed', wrong);
  }
});

t.test('settings are one JSON object without names that can change a prototype', async (t) => {
  const { api, token, org } = await opened(t);
  const before = await rowOf(database, org.id);
  const raw = (text: string) =>
    api.call('PATCH', CURRENT, undefined, { token, raw: text, headers: { 'content-type': 'application/json' } });
  for (const value of ['[]', '"x"', '1', 'true', 'null']) {
    refused(t, await raw(`{"settings":${value}}`), 'validation_failed', value);
  }
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    refused(t, await raw(`{"settings":{"a":[{"${key}":1}]}}`), 'validation_failed', key);
  }
  refused(t, await raw(`{"settings":{"a":"\\u0000"}}`), 'validation_failed', 'NUL');
  refused(t, await raw(`{"settings":{"a":"\\ud800"}}`), 'validation_failed', 'half of a surrogate pair');
  refused(t, await raw(`{"settings":{"a":${'['.repeat(40)}${']'.repeat(40)}}}`), 'validation_failed', 'depth');
  refused(t, await raw(`{"settings":{"a":"${'x'.repeat(70_000)}"}}`), 'body_too_large', '64 KiB');
  t.strictSame(await rowOf(database, org.id), before, 'the refused requests wrote nothing');
});

t.test('no other field can be changed, and a caller without the permission can change no field', async (t) => {
  const { api, account, token, org } = await opened(t);
  const before = await rowOf(database, org.id);
  for (const body of [
    {},
    { slug: 'another' },
    { status: 'suspended' },
    { id: org.id, name: 'X' },
    { organizationId: org.id, name: 'X' },
    { name: '' },
    { name: 'x'.repeat(121) },
    { name: 'a\u0007' },
    { name: null },
  ]) {
    refused(t, await api.patch(CURRENT, body, { token }), 'validation_failed', JSON.stringify(body).slice(0, 40));
  }
  const agent = await member(api, account, 'agent');
  refused(t, await api.patch(CURRENT, { name: 'X' }, { token: agent }), 'permission_denied', 'an agent');
  refused(t, await api.patch(CURRENT, { name: 'X' }), 'unauthenticated', 'nobody');
  t.strictSame(await rowOf(database, org.id), before);
  const admin = await member(api, account, 'admin');
  t.equal((await api.patch(CURRENT, { name: 'Y' }, { token: admin })).status, 200, 'an admin has the permission');
});

t.test('two changes of different fields at the same time are both kept', async (t) => {
  const { api, token } = await opened(t);
  for (let round = 0; round < rounds(50); round += 1) {
    const replies = await Promise.all([
      api.patch(CURRENT, { name: `Name ${round}` }, { token }),
      api.patch(CURRENT, { settings: { round } }, { token }),
    ]);
    t.strictSame(
      replies.map(({ status }) => status),
      [200, 200],
    );
    const { name, settings } = (await api.get(CURRENT, { token })).body.data;
    if (name !== `Name ${round}` || settings.round !== round) t.fail(`round ${round} lost a change`);
  }
});
