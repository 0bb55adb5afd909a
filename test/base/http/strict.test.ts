// Requests that two readers could understand differently, and text without a visible character, are refused in the same
// way everywhere. Answers that are written by hand have the headers of every other answer.
import t, { type Test } from 'tap';
import { parsePreset, readPreset } from '../../../src/directory/presets/presets.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { flawsOfProblem, type RawReply, refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);
const { accessToken: token } = await newAccount(api);
const json = { 'content-type': 'application/json' };

function send(method: string, path: string, raw: string) {
  return api.call(method, path, undefined, { token, raw, headers: json });
}

/** A GET request with exactly these lines after the request line. */
function lines(target: string, ...fields: string[]): Promise<RawReply> {
  return sendRaw(api.url, [`GET ${target} HTTP/1.1`, ...fields, '', ''].join('\r\n'));
}

t.test('a request has exactly one Host header, with a host and at most a port', async (t) => {
  for (const host of ['service.test', 'SERVICE.test:8080', '127.0.0.1:3000', '[::1]:443', 'a_b.example.', 'x:']) {
    t.equal((await lines('/healthz', `Host: ${host}`)).status, 200, host);
  }
  for (const fields of [
    [],
    ['Host:'],
    ['Host: a b'],
    ['Host: a.test, b.test'],
    ['Host: user@service.test'],
    ['Host: service.test/path'],
    ['Host: service.test:99999'],
    ['Host: service.test:x'],
    ['Host: http://service.test'],
    ['Host: ser%76ice.test'],
    ['Host: [::1'],
    ['Host: service.test', 'Host: service.test'],
    ['Host: service.test', 'host: other.test'],
  ]) {
    for (const target of ['/healthz', '/nowhere', '/api/v1/me']) {
      refused(t, await lines(target, ...fields), 'bad_request', `${target} ${fields.join(' and ')}`);
    }
  }
  const old = (...fields: string[]) => sendRaw(api.url, ['GET /healthz HTTP/1.0', ...fields, '', ''].join('\r\n'));
  t.equal((await old()).status, 200, 'HTTP/1.0 needs no Host');
  refused(t, await old('Host: a.test', 'Host: b.test'), 'bad_request', 'HTTP/1.0 allows at most one Host');
});

t.test('a header that may have only one value is refused when it is sent twice', async (t) => {
  const names = [
    'Authorization',
    'Content-Type',
    'Content-Encoding',
    'Idempotency-Key',
    'If-Match',
    'Last-Event-ID',
    'Origin',
    'Sec-Fetch-Site',
    'User-Agent',
    'X-Organization-Slug',
    'X-Tenant-ID',
  ];
  for (const name of names) {
    for (const second of [name, name.toLowerCase()]) {
      const reply = await lines('/api/v1/me', 'Host: service.test', `${name}: a`, 'X-Other: 1', `${second}: a`);
      refused(t, reply, 'bad_request', `${name} and ${second}`);
      t.match(reply.text, `Send one ${name} header.`);
    }
  }
  refused(t, await lines('/healthz', 'Host: a', 'Content-Length: 0', 'Content-Length: 0'), 'bad_request', 'length');
  for (const name of ['Accept', 'X-Forwarded-For', 'Cookie', 'X-Other']) {
    t.equal((await lines('/healthz', 'Host: a', `${name}: a`, `${name}: b`)).status, 200, `${name} is a list`);
  }
  const many = Array.from({ length: 100 }, (_, at) => `X-${at}: 1`);
  refused(
    t,
    await lines('/healthz', 'Host: a', ...many),
    'headers_too_large',
    'none of 101 headers is dropped silently',
  );
});

t.test('a body in which an object has a member twice is refused, in every spelling and at every depth', async (t) => {
  const bodies = {
    '{"name":"A","name":"B"}': 'name',
    '{"name":"A","name":"A"}': 'name',
    '{"name":"A","\\u006eame":"B"}': 'name',
    '{ "settings" : {"a":[{"b":1},{"b":1 , "b":2}]} }': 'settings.a.1.b',
    '{"settings":{"":1,"":2}}': 'settings.',
    '{"settings":{"a\\"b":"\\\\","a\\"b":1}}': 'settings.a\\"b',
    '{"unknown":{"x":1,"x":1}}': 'unknown.x',
  };
  for (const [body, path] of Object.entries(bodies)) {
    const reply = await send('PATCH', '/organizations/current', body);
    refused(t, reply, 'duplicate_member', body);
    t.equal(reply.body.detail.includes(JSON.stringify(JSON.parse(`"${path}"`))), true, reply.body.detail);
  }
  refused(
    t,
    await api.call('POST', '/auth/login', undefined, {
      raw: '{"email":"a@example.com","password":"x","password":"y"}',
      headers: json,
    }),
    'duplicate_member',
    'at sign-in',
  );
  const good = '{"settings":{"a":{"x":1},"b":{"x":[{"x":"\\"x\\":{,"},{"x":2}]},"x":"{\\"x\\":1,\\"x\\":2}"}}';
  t.equal((await send('PATCH', '/organizations/current', good)).status, 200, 'the same name in other objects');
});

t.test('a number that would be stored as another one is refused', async (t) => {
  const wrong = ['-0', '-0.0', '-0e5', '1e-400', '-1e-400', '0.000000001e-320', '1e400', '-1e400', '1E+999'];
  for (const number of wrong) {
    const settings = await send('PATCH', '/organizations/current', `{"settings":{"a":[1,${number}]}}`);
    refused(t, settings, 'validation_failed', `settings ${number}`);
    t.same(settings.body.issues[0].path, 'settings.a.1');
    const level = `{"name":"closer","level":${number},"permissions":["deals:read"]}`;
    t.match((await send('POST', '/roles', level)).body.issues, [{ path: 'level' }], `level ${number}`);
    const scope = `{"resource":"deals","action":"read","scope":{"id":${number}}}`;
    t.match((await send('POST', '/authz/check', scope)).body.issues, [{ path: 'scope.id' }], `scope ${number}`);
  }
  for (const number of ['0', '0.0', '0e5', '1', '-1', '0.5', '1.5e3', '9007199254740991']) {
    const reply = await send('PATCH', '/organizations/current', `{"settings":{"a":${number}}}`);
    t.same([reply.status, reply.body.data?.settings.a], [200, Number(number)], number);
  }
  const preset = (level: string) =>
    `name: x\nroles:\n  - { name: owner, level: ${level}, ownership: true, permissions: ['*:*'] }\n`;
  for (const number of ['-0', '1e-400', '-0.0']) {
    t.throws(
      () => parsePreset(preset(number), 'x'),
      { message: /level: must be a whole number from 0 to 1000/ },
      number,
    );
  }
  t.equal(parsePreset(preset('0'), 'x').roles[0]?.level, 0);
  t.ok(readPreset('crm').roles.length > 1);
});

/** Texts without a visible character. */
const BLANKS = {
  'zero-width spaces': '\u200b\u200b',
  'a word joiner': '\u2060',
  'a byte order mark': '\ufeff',
  'zero-width joiners': '\u200d\u200c',
  'a combining mark alone': '\u0301',
  'many combining marks': '\u0300\u0489\u20dd',
  'blanks of Unicode': '\u00a0\u2003\u3000\u205f',
  'the blank of Ogham': '\u1680',
  'marks of direction': '\u200e\u200f\u061c',
  'fillers of Hangul': '\u3164\u115f\u1160\uffa0',
  'a blank of Braille': '\u2800',
  'variation selectors': '\ufe0f\u{e0100}',
  'the Mongolian separator': '\u180e',
  'a joiner of graphemes': '\u034f',
  'a soft hyphen': '\u00ad',
  tags: '\u{e0041}\u{e007f}',
  'invisible operators': '\u2061\u2064',
  'inherent vowels of Khmer': '\u17b4\u17b5',
  'the notehead that is not drawn': '\u{1d159}',
  'the placeholder of an object': '\ufffc',
  'private use': '\ue000',
  unassigned: '\u0378',
  'all of it': ' \u200b\u0301\u2800\u3164 ',
};

t.test('a name without a visible character is refused, whatever it names', async (t) => {
  const base = { email: 'blank@example.com', password: 'correct horse battery', name: 'A' };
  const named: [string, (name: string) => ReturnType<typeof send>][] = [
    ['user', (name) => send('POST', '/auth/register', JSON.stringify({ ...base, name }))],
    [
      'organization',
      (organizationName) => send('POST', '/auth/register', JSON.stringify({ ...base, organizationName })),
    ],
    ['profile', (name) => send('PATCH', '/me', JSON.stringify({ name }))],
    ['new organization', (name) => send('POST', '/organizations', JSON.stringify({ name }))],
    ['changed organization', (name) => send('PATCH', '/organizations/current', JSON.stringify({ name }))],
    ['client', (name) => send('POST', '/clients', JSON.stringify({ name, permissions: ['deals:read'] }))],
    [
      'invited',
      (name) =>
        send('POST', '/invitations/accept', JSON.stringify({ token: 'x'.repeat(43), name, password: base.password })),
    ],
    ['role', (name) => send('POST', '/roles', JSON.stringify({ name, level: 1, permissions: ['deals:read'] }))],
  ];
  for (const [what, call] of named) {
    for (const [blank, text] of Object.entries(BLANKS))
      refused(t, await call(text), 'validation_failed', `${what}: ${blank}`);
  }
  for (const name of ['Ada', '李', 'علي', '👩‍👩‍👧', '한', 'न्', '❤️', '…', '⠓', 'ﷺ', `A\u200b`, '7']) {
    t.equal((await send('PATCH', '/me', JSON.stringify({ name }))).status, 200, name);
  }
});

t.test('a description is empty or has a visible character, and the values of a scope need none', async (t) => {
  const role = { level: 1, permissions: ['deals:read'] };
  const client = { name: 'Importer', permissions: ['deals:read'] };
  const preset = (description: string) =>
    parsePreset(
      JSON.stringify({ name: 'one', roles: [{ name: 'one', description, ownership: true, ...role }] }),
      'one.yaml',
    );
  for (const [blank, description] of Object.entries(BLANKS)) {
    if (description.normalize('NFC').trim() === '') continue; // a description may be empty
    const replies = [
      await send('POST', '/roles', JSON.stringify({ name: 'described', description, ...role })),
      await send('POST', '/clients', JSON.stringify({ ...client, description })),
    ];
    for (const reply of replies) refused(t, reply, 'validation_failed', blank);
    t.throws(() => preset(description), /visible character/, `preset: ${blank}`);
  }
  t.equal((await send('POST', '/clients', JSON.stringify({ ...client, description: '' }))).status, 201);
  t.equal((await send('POST', '/clients', JSON.stringify({ ...client, description: 'Imports …' }))).status, 201);
  t.doesNotThrow(() => preset(''));
  const check = { resource: 'deals', action: 'read', scope: { branch: '\u2800' } };
  t.equal((await send('POST', '/authz/check', JSON.stringify(check))).status, 200);
});

t.test('a user agent without a visible character is stored as null', async (t) => {
  const { email, password } = await newAccount(api);
  const login = (agent: string) => api.post('/auth/login', { email, password }, { headers: { 'user-agent': agent } });
  const { accessToken } = (await login(' ')).body.data;
  const sessions = await api.get('/me/sessions', { token: accessToken });
  t.equal(sessions.body.data.find((session: { current: boolean }) => session.current).userAgent, null);
});

t.test('a parameter of the query that is repeated is refused, and the answer says so', async (t) => {
  const reply = await api.get('/me/sessions?limit=1&limit=2', { token });
  refused(t, reply, 'validation_failed', 'limit twice');
  t.same(reply.body.issues, [{ path: 'query.limit', message: 'must be sent once' }]);
});

async function byHand(t: Test, url: string): Promise<[string, RawReply][]> {
  const post = (...fields: string[]) =>
    requestHead('POST', '/api/v1/auth/login', 'Content-Type: application/json', ...fields);
  const replies: [string, RawReply][] = [
    ['400', await sendRaw(url, 'rubbish\r\n\r\n')],
    ['400 broken chunks', await sendRaw(url, post('Transfer-Encoding: chunked'), 'x\r\n')],
    ['431', await sendRaw(url, requestHead('GET', '/', `X-Long: ${'x'.repeat(40_000)}`))],
    ['404 tunnel', await sendRaw(url, requestHead('CONNECT', 'service.test:443'))],
    ['417', await sendRaw(url, post('Expect: miracles', 'Content-Length: 0'))],
    ['400 path', await sendRaw(url, requestHead('GET', '/%ZZ'))],
    ['414', await sendRaw(url, requestHead('DELETE', `/api/v1/me/sessions/${'x'.repeat(300)}`))],
  ];
  for (const [what, reply] of replies) t.same(flawsOfProblem(reply), [], what);
  return replies;
}

t.test('answers that are written by hand have the headers of every answer', async (t) => {
  const wanted = Object.fromEntries((await sendRaw(api.url, requestHead('GET', '/healthz'))).headers);
  for (const own of ['content-type', 'content-length', 'x-request-id', 'date', 'connection', 'keep-alive'])
    delete wanted[own];
  t.equal(
    wanted['content-security-policy'],
    "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  );
  t.ok(Object.keys(wanted).length > 8);
  for (const [what, { headers }] of await byHand(t, api.url)) {
    t.match(Object.fromEntries(headers), wanted, what);
    t.ok(Number.isFinite(Date.parse(headers.get('date') ?? '')), `${what}: Date`);
  }
});

t.test('Strict-Transport-Security includes subdomains if a setting says so, on every answer', async (t) => {
  const settings = { PUBLIC_URL: 'https://auth.example.com', HSTS_INCLUDE_SUBDOMAINS: 'true' };
  const other = await openService(t, database, settings);
  const answers = await byHand(t, other.url);
  answers.push(['200', await sendRaw(other.url, requestHead('GET', '/healthz'))]);
  for (const [what, { headers }] of answers) {
    t.equal(headers.get('strict-transport-security'), 'max-age=31536000; includeSubDomains', what);
  }
});
