// Requests that no honest client sends. Each request is refused with its code, stores nothing, and never causes a 500.
import { METHODS } from 'node:http';
import t from 'tap';
import type { Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api, app } = await openService(t, database);
const account = await newAccount(api);

interface BodyRoute {
  readonly method: string;
  readonly path: string;
  readonly good: Readonly<Record<string, unknown>>;
  readonly bytesMax: number;
  readonly bodyOptional?: true;
}

const ROUTES: BodyRoute[] = [
  { method: 'POST', path: '/auth/register', good: { email: 'a@example.com', password: 'x', name: 'A' }, bytesMax: 16 },
  { method: 'POST', path: '/auth/login', good: { email: 'a@example.com', password: 'x' }, bytesMax: 16 },
  { method: 'POST', path: '/auth/refresh', good: { refreshToken: 'x' }, bytesMax: 16, bodyOptional: true },
  { method: 'POST', path: '/auth/logout', good: { refreshToken: 'x' }, bytesMax: 16, bodyOptional: true },
  { method: 'POST', path: '/auth/switch-organization', good: { organization: 'acme' }, bytesMax: 16 },
  { method: 'PATCH', path: '/me', good: { name: 'A' }, bytesMax: 64 },
  { method: 'POST', path: '/organizations', good: { name: 'Acme' }, bytesMax: 64 },
  { method: 'POST', path: '/tenants', good: { name: 'Acme' }, bytesMax: 64 },
];

const token = account.accessToken;
const JSON_TYPE = 'application/json';

function send(route: BodyRoute, raw: string | Buffer, type: string | null = JSON_TYPE): Promise<Reply> {
  const bytes = new Uint8Array(Buffer.from(raw));
  return api.call(route.method, route.path, undefined, {
    token,
    raw: bytes,
    headers: type === null ? {} : { 'content-type': type },
  });
}

/** Returns the number of rows of every table, with a digest of their content. */
async function rowsOfEveryTable(asked: TestDatabase): Promise<Record<string, string>> {
  const tables = await asked.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  );
  const counts: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await asked.query<{ content: string }>(
      `SELECT count(*) || ' ' || md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) AS content FROM ${name} r`,
    );
    counts[name] = row?.content ?? '';
  }
  return counts;
}

// Both store rows in the background: the first reading of the revocations, and the mail to the new account.
await app.parts.revocations.synchronize();
await app.parts.outbox.sendDue();
const stored = await rowsOfEveryTable(database);

t.test('a body that is not JSON in UTF-8 is malformed', async (t) => {
  const text = JSON.stringify({ name: 'A' });
  const bodies: [string, string | Buffer][] = [
    ['cut short', '{'],
    ['a comma too many', '{"name":"A",}'],
    ['a bare word', 'nope'],
    ['more behind it', '{"name":"A"}x'],
    ['single quotes', "{'name':'A'}"],
    ['a comment', '{"name":"A"/* */}'],
    ['NaN', '{"name":NaN}'],
    ['a raw NUL', '{"name":"A\0"}'],
    ['a raw line break in a string', '{"name":"A\nB"}'],
    ['blanks only', '   '],
    ['a lonely surrogate escape that ends early', '{"name":"\\ud8"}'],
    ['a byte order mark', `\ufeff${text}`],
    ['UTF-16', Buffer.from(text, 'utf16le')],
    ['a byte that no UTF-8 has', Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff]), Buffer.from('"}')])],
    ['a surrogate in UTF-8', Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x7d])],
    ['an overlong slash', Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])],
  ];
  for (const route of ROUTES) {
    for (const [what, body] of bodies) refused(t, await send(route, body), 'malformed_json', `${route.path}: ${what}`);
  }
});

t.test('a body of any media type but application/json in UTF-8 is refused', async (t) => {
  const types = [
    null,
    'text/plain',
    'text/json',
    'application/jsonx',
    'application/json;x',
    'application/json; charset=utf-16',
    'application/json; charset=iso-8859-1',
    'application/json; charset=utf-8; boundary=x',
    'application/json, text/plain',
    'application/vnd.api+json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application',
    '*/*',
    ';',
  ];
  for (const route of ROUTES) {
    const body = JSON.stringify(route.good);
    for (const type of types) {
      refused(t, await send(route, body, type), 'unsupported_media_type', `${route.path}: ${type}`);
    }
  }
  const packed = { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, raw: '{}' };
  const reply = await api.post('/auth/login', undefined, packed);
  t.equal(reply.code, 'unsupported_media_type', 'nothing is decompressed');
  const good = await send({ ...(ROUTES[4] as BodyRoute), good: {} }, '{}', 'Application/JSON; charset="UTF-8"');
  t.equal(good.code, 'validation_failed', 'the name of the type ignores case, and UTF-8 may be named');
});

t.test('text that PostgreSQL or a log cannot store is refused in every part of a request', async (t) => {
  const texts = ['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00x"', '"\\udbff\\udbff"'];
  for (const route of ROUTES) {
    for (const text of texts) {
      for (const name of Object.keys(route.good)) {
        const body = JSON.stringify({ ...route.good, [name]: '@' }).replace('"@"', text);
        refused(t, await send(route, body), 'validation_failed', `${route.path} ${name}: ${text}`);
      }
      refused(t, await send(route, `{${text}:1}`), 'validation_failed', `${route.path}: the name ${text}`);
      refused(t, await send(route, `{"x":[{"y":${text}}]}`), 'validation_failed', `${route.path}: deep ${text}`);
    }
  }
});

t.test('member names that could change a prototype, and unknown member names, are refused', async (t) => {
  for (const route of ROUTES) {
    const inside = JSON.stringify(route.good).slice(1);
    for (const name of ['__proto__', 'constructor', 'prototype', '\\u005f_proto__']) {
      refused(t, await send(route, `{"${name}":{"x":1},${inside}`), 'validation_failed', `${route.path}: ${name}`);
      refused(t, await send(route, `{"x":[{"${name}":1}]}`), 'validation_failed', `${route.path}: deep ${name}`);
    }
    for (const name of ['organizationId', 'userId', 'role', 'isAdmin', 'status', 'emailVerified', '']) {
      const body = JSON.stringify({ ...route.good, [name]: 'x' });
      refused(t, await send(route, body), 'validation_failed', `${route.path}: ${name || 'a name of no length'}`);
    }
  }
});

t.test('a value of the wrong type is refused, and so is a body that is not an object', async (t) => {
  for (const route of ROUTES) {
    for (const body of ['[]', '[{}]', '"text"', '1', 'true', 'null']) {
      refused(t, await send(route, body), 'validation_failed', `${route.path}: ${body}`);
    }
    for (const name of Object.keys(route.good)) {
      for (const value of [null, 1, -0.5, 1e308, true, [], ['x'], {}, { toString: 'x' }, '']) {
        const body = JSON.stringify({ ...route.good, [name]: value });
        refused(t, await send(route, body), 'validation_failed', `${route.path}: ${name} ${JSON.stringify(value)}`);
      }
    }
    if (!route.bodyOptional) refused(t, await send(route, ''), 'validation_failed', `${route.path}: no body`);
  }
  refused(t, await send(ROUTES[2] as BodyRoute, ''), 'invalid_refresh_token', 'a refresh without any token');
});

t.test('a password of 10 KB is refused before it costs a hash', async (t) => {
  for (const route of ROUTES.slice(0, 2)) {
    const reply = await send(route, JSON.stringify({ ...route.good, password: 'p'.repeat(10_240) }));
    refused(t, reply, 'validation_failed', route.path);
  }
});

t.test('a body that is nested too deeply or too large is refused, with and without a Content-Length', async (t) => {
  const length = 1024 * 1024;
  for (const route of ROUTES) {
    const { method, bytesMax } = route;
    refused(t, await send(route, `${'['.repeat(33)}${']'.repeat(33)}`), 'validation_failed', `${route.path}: 33 deep`);
    const deep = await send(route, `${'['.repeat(10_000)}${']'.repeat(10_000)}`);
    refused(t, deep, bytesMax === 16 ? 'body_too_large' : 'validation_failed', `${route.path}: 10,000 deep`);
    const wide = await send(route, `{${Array.from({ length: 2_000 }, (_, at) => `"${at}":0`).join(',')}}`);
    refused(t, wide, ['validation_failed', 'body_too_large'], `${route.path}: 2,000 members`);
    const fields = [`Content-Type: ${JSON_TYPE}`, `Authorization: Bearer ${token}`];
    const piece = `"${'x'.repeat(16 * 1024 - 2)}"`;
    const pieces = Array.from({ length: 64 }, () => piece);
    const told = requestHead(method, `/api/v1${route.path}`, ...fields, `Content-Length: ${length}`);
    refused(t, await sendRaw(api.url, told, ...pieces), 'body_too_large', `${route.path}: 1 MiB with its length`);
    const untold = requestHead(method, `/api/v1${route.path}`, ...fields, 'Transfer-Encoding: chunked');
    const chunks = pieces.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`);
    refused(t, await sendRaw(api.url, untold, ...chunks), 'body_too_large', `${route.path}: 1 MiB in chunks`);
  }
});

t.test('a query parameter that does not match its schema or is repeated is refused', async (t) => {
  for (const path of ['/me/sessions', '/me/organizations']) {
    const queries =
      `limit=1&limit=2 offset=0&offset=0 limit=0 limit=101 limit=-1 limit=1.5 limit=abc limit=1e1 limit= offset=1000001
      limit[]=1 limit=%00 limit=%EF%BC%91 nope=1 __proto__=1 constructor=1 limit=1&nope=1`.split(/\s+/);
    for (const query of queries) {
      refused(t, await api.get(`${path}?${query}`, { token }), 'validation_failed', `${path}?${query}`);
    }
  }
  refused(t, await api.get('/me?organizationId=1', { token }), 'validation_failed', 'a route without parameters');
});

t.test('an id that is not a UUID is refused as invalid, and an unknown UUID is answered with not_found', async (t) => {
  for (const id of ['1', 'x', '%00', '..%2f..', "'%20OR%201=1--", `${account.sessionId}x`, '%F0%9F%98%80', 'null']) {
    refused(t, await api.delete(`/me/sessions/${id}`, { token }), 'validation_failed', id);
  }
  refused(t, await api.delete(`/me/sessions/${account.userId}`, { token }), 'not_found', 'a UUID of something else');
  refused(t, await api.delete(`/me/sessions/${'x'.repeat(300)}`, { token }), ['uri_too_long', 'not_found'], 'too long');
});

t.test('a path that cannot be parsed is refused with a problem in the usual format', async (t) => {
  const get = (target: string, ...fields: string[]) => sendRaw(api.url, requestHead('GET', target, ...fields));
  for (const target of ['/%', '/%ZZ', '/api/v1/me%', '/api/v1/%C3%28', '/api/v1/me/sessions/%E0%A4%A']) {
    refused(t, await get(target), 'bad_request', target);
  }
  for (const target of [
    '//',
    '/api/v1/me/',
    '/API/v1/me',
    '/api/v1/me%00',
    '/api/v1/..%2f..',
    '/.%00',
    `/${'x'.repeat(8_000)}`,
  ]) {
    refused(t, await get(target), 'not_found', target.slice(0, 40));
  }
  refused(t, await get(`/${'x'.repeat(40_000)}`), ['headers_too_large', 'uri_too_long'], 'a path of 40 KB');
});

t.test('a request that violates HTTP is refused with a problem in the usual format', async (t) => {
  const raw = (...fields: string[]) => sendRaw(api.url, requestHead('POST', '/api/v1/auth/login', ...fields), '{}');
  const lengths = ['abc', '-1', '1e3', '+2', '2, 3', '0x2', '99999999999999999999'];
  for (const length of lengths) refused(t, await raw(`Content-Length: ${length}`), 'bad_request', `length ${length}`);
  const json = `Content-Type: ${JSON_TYPE}`;
  refused(t, await raw(json, 'Content-Length: 2', 'Content-Length: 3'), 'bad_request', 'two lengths');
  refused(t, await raw(json, 'Content-Length: 2', 'Transfer-Encoding: chunked'), 'bad_request', 'length and chunks');
  refused(t, await raw('Transfer-Encoding: gzip, x'), 'bad_request', 'an encoding that does not end in chunked');
  refused(t, await raw('Bad Name: x'), 'bad_request', 'a space in a name');
  refused(t, await raw('X-Bad: a\0b'), 'bad_request', 'a NUL in a value');
  refused(t, await raw(`X-Long: ${'x'.repeat(40_000)}`), 'headers_too_large', 'a header of 40 KB');
  refused(t, await sendRaw(api.url, 'rubbish\r\n\r\n'), 'bad_request', 'not an HTTP request');
  refused(t, await sendRaw(api.url, 'GET /healthz HTTP/1.1\r\n\r\n'), 'bad_request', 'no Host');
  refused(t, await raw(json, 'Content-Length: 2', 'Expect: miracles'), 'expectation_failed', 'an unknown expectation');
  const long = await sendRaw(api.url, requestHead('GET', '/api/v1/me', `Authorization: Bearer ${'x'.repeat(30_000)}`));
  refused(t, long, 'invalid_token', 'a token of 30 KB');
});

t.test('a method that a path does not accept is refused, and every path refuses TRACE', async (t) => {
  const ask = (method: string, path: string) => sendRaw(api.url, requestHead(method, path));
  for (const method of METHODS.filter((known) => !['DELETE', 'GET', 'HEAD', 'PATCH'].includes(known))) {
    for (const path of ['/api/v1/me', '/healthz']) {
      const reply = await ask(method, path);
      refused(t, reply, 'method_not_allowed', `${method} ${path}`);
      t.match(reply.headers.get('allow'), /\bGET\b/, 'the answer names the accepted methods');
      t.notMatch(reply.text, /Host|service\.test/, 'the answer repeats nothing of the request');
    }
    refused(t, await ask(method, '/nowhere'), 'not_found', `${method} /nowhere`);
  }
  refused(t, await ask('DELETE', '/healthz'), 'method_not_allowed', 'DELETE /healthz');
  refused(t, await ask('PATCH', '/healthz'), 'method_not_allowed', 'PATCH /healthz');
  const query = await sendRaw(api.url, requestHead('QUERY', '/api/v1/auth/login', 'Content-Length: 1'), '{');
  refused(t, query, 'method_not_allowed', 'the method is refused whatever body is sent with it');
  t.equal(query.headers.get('allow'), 'POST');
  refused(t, await ask('CONNECT', 'service.test:443'), 'not_found', 'no tunnel');
  refused(t, await ask('BREW', '/api/v1/me'), 'bad_request', 'a method that HTTP does not know');
  refused(t, await ask('get', '/api/v1/me'), 'bad_request', 'methods are case-sensitive');
  t.strictSame(pick(await ask('HEAD', '/nowhere')), { status: 404, text: '' }, 'HEAD of an unknown path has no body');
  t.strictSame(pick(await ask('HEAD', '/api/v1/me')), { status: 401, text: '' }, 'HEAD needs a token as well');
  t.strictSame(pick(await ask('HEAD', '/healthz')), { status: 200, text: '' }, 'HEAD of a path with GET');
});

function pick({ status, text }: { status: number; text: string }) {
  return { status, text };
}

t.test('none of the refused requests changed a row', async (t) => {
  t.strictSame(await rowsOfEveryTable(database), stored);
});
