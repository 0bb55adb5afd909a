// Tests the headers of every answer, and the answers that need no database.
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { type RawReply, refused, requestHead, sendRaw } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const APP = 'https://app.example.com';

const OF_EVERY_ANSWER = {
  'cache-control': 'no-store',
  'content-security-policy': /default-src 'none'/,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'x-request-id': UUID,
} as const;

type Head = { get(name: string): string | null | undefined };

function missing(headers: Head, wanted: Record<string, string | RegExp> = OF_EVERY_ANSWER): string[] {
  return Object.entries(wanted).flatMap(([name, value]) => {
    const found = headers.get(name) ?? '';
    return (typeof value === 'string' ? found === value : value.test(found)) ? [] : [`${name}: ${found}`];
  });
}

function get(api: Api, target: string, ...fields: string[]): Promise<RawReply> {
  return sendRaw(api.url, requestHead('GET', target, ...fields));
}

t.test('every answer has the security headers, no-store and a request id, and names no software', async (t) => {
  const { api } = await openService(t, database, { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_SIGN_IN: '2' });
  const { accessToken: token, email, password } = await newAccount(api);
  const answers: [number, Reply | RawReply][] = [
    [200, await api.get('/me', { token })],
    [200, await api.get('/healthz')],
    [200, await api.get('/readyz')],
    [204, await api.post('/auth/logout')],
    [401, await api.get('/me')],
    [401, await api.get('/me', { token: 'x.y.z' })],
    [422, await api.patch('/me', { name: 1 }, { token })],
    [
      400,
      await api.call('PATCH', '/me', undefined, { token, raw: '{', headers: { 'content-type': 'application/json' } }),
    ],
    [415, await api.call('PATCH', '/me', undefined, { token, raw: '{}', headers: { 'content-type': 'text/plain' } })],
    [413, await api.call('PATCH', '/me', { name: 'x'.repeat(70_000) }, { token })],
    [404, await api.get('/nowhere')],
    [404, await api.delete('/me/sessions/0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f', { token })],
    [405, await api.call('PUT', '/me')],
    [405, await api.call('OPTIONS', '/me')],
    [400, await get(api, '/%ZZ')],
    [200, await api.post('/auth/login', { email, password })],
    [401, await api.post('/auth/login', { email, password: 'wrong' })],
    [429, await api.post('/auth/login', { email, password: 'wrong' })],
  ];
  for (const [status, reply] of answers) {
    t.equal(reply.status, status, reply.text.slice(0, 100));
    t.strictSame(missing(reply.headers), [], String(status));
    for (const name of ['server', 'x-powered-by', 'strict-transport-security', 'access-control-allow-origin']) {
      t.notOk(reply.headers.get(name), `${status}: no ${name}`);
    }
    t.notMatch(reply.text, /fastify|node\.js|express|postgres|tenantry\/\d/i, `${status}: no product name`);
  }
  for (const bytes of ['rubbish\r\n\r\n', requestHead('GET', '/', `X-Long: ${'x'.repeat(40_000)}`)]) {
    const broken = await sendRaw(api.url, bytes);
    const least = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'x-request-id': UUID };
    t.strictSame(missing(broken.headers, least), [], 'bytes that are not even a request');
    t.equal(broken.headers.get('connection'), 'close');
  }
});

t.test('answers have Strict-Transport-Security if the URL of the service is an https URL', async (t) => {
  const { api } = await openService(t, database, { PUBLIC_URL: 'https://auth.example.com' });
  for (const path of ['/healthz', '/me', '/nowhere', '/.well-known/jwks.json']) {
    t.match((await api.get(path)).headers.get('strict-transport-security'), /^max-age=31536000$/, path);
  }
});

t.test('a valid X-Request-ID is used and returned, and an invalid one is replaced', async (t) => {
  const { api } = await openService(t, database);
  for (const path of ['/healthz', '/me', '/nowhere']) {
    const reply = await api.get(path, { headers: { 'x-request-id': 'Trace-1.a_B' } });
    t.equal(reply.headers.get('x-request-id'), 'Trace-1.a_B', path);
    if (reply.code) t.equal(reply.body.requestId, 'Trace-1.a_B', 'the id is in the problem');
  }
  t.equal((await get(api, '/%', 'X-Request-ID: abc')).headers.get('x-request-id'), 'abc', 'on an unreadable path');
  for (const id of ['', 'a b', 'x'.repeat(129), 'a"b', '<script>', 'a\\nb', '{"x":1}', 'é', 'a, b']) {
    const reply = await get(api, '/healthz', `X-Request-ID: ${id}`);
    t.match(reply.headers.get('x-request-id'), UUID, `the invalid id ${JSON.stringify(id)} is replaced`);
  }
  const twice = await get(api, '/healthz', 'X-Request-ID: one', 'X-Request-ID: two');
  t.match(twice.headers.get('x-request-id'), UUID, 'two of them do not count');
});

t.test('only the listed origins get cross-origin access, and no other origin is reflected', async (t) => {
  const { api } = await openService(t, database, { CORS_ORIGINS: `${APP},https://admin.example.com` });
  const from = (origin: string, path = '/me') => api.get(path, { headers: { origin } });
  for (const path of ['/me', '/nowhere', '/healthz', '/.well-known/jwks.json']) {
    const { headers } = await from(APP, path);
    t.equal(headers.get('access-control-allow-origin'), APP, path);
    t.equal(headers.get('access-control-allow-credentials'), 'true');
    t.match(headers.get('access-control-expose-headers'), /x-request-id.*retry-after/i);
    t.match(headers.get('vary'), /\bOrigin\b/i, `${path} must not be cached for another origin`);
  }
  t.equal(
    (await from('https://admin.example.com')).headers.get('access-control-allow-origin'),
    'https://admin.example.com',
  );
  const others =
    `https://evil.example.com http://app.example.com https://app.example.com.evil.com https://app.example.com:8443
    https://app.example.com/ https://APP.example.com null * https://xapp.example.com file://`.split(/\s+/);
  for (const origin of others) {
    const { headers } = await from(origin);
    t.equal(headers.get('access-control-allow-origin'), null, origin);
    t.match(headers.get('vary'), /\bOrigin\b/i);
  }
  const ask = (origin: string) =>
    api.call('OPTIONS', '/me', undefined, {
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization',
      },
    });
  const allowed = await ask(APP);
  t.equal(allowed.status, 204);
  t.match(allowed.headers.get('access-control-allow-methods'), /PATCH/);
  t.match(allowed.headers.get('access-control-allow-headers'), /authorization/i);
  t.strictSame(missing(allowed.headers), [], 'a preflight has the headers of every answer');
  t.equal((await ask('https://evil.example.com')).headers.get('access-control-allow-origin'), null);
  for (const headers of [{}, { origin: APP }, { origin: 'https://evil.example.com' }]) {
    const incomplete = await api.call('OPTIONS', '/me', undefined, { headers });
    t.strictSame([incomplete.status, incomplete.text], [204, ''], 'OPTIONS that names no method');
  }
  refused(t, await api.call('PUT', '/me', undefined, { headers: { origin: APP } }), 'method_not_allowed', 'as ever');
});

t.test('a refusal of a request without a valid token has a Bearer challenge (RFC 6750)', async (t) => {
  const { api } = await openService(t, database);
  const challenge = async (authorization?: string) =>
    (await api.get('/me', authorization === undefined ? {} : { headers: { authorization } })).headers.get(
      'www-authenticate',
    );
  t.equal(await challenge(), 'Bearer', 'without a token no error is named');
  for (const sent of ['Bearer x.y.z', 'Bearer', 'Basic dTpw', 'Bearer a b', 'x']) {
    t.equal(await challenge(sent), 'Bearer error="invalid_token"', sent);
  }
  t.equal((await api.get('/nowhere')).headers.get('www-authenticate'), null);
  t.equal((await api.get('/me?access_token=x.y.z')).headers.get('www-authenticate'), 'Bearer', 'the query is ignored');
});

t.test('405 lists the methods that the path accepts in the Allow header', async (t) => {
  const { api } = await openService(t, database);
  const paths = {
    '/me': 'DELETE, GET, HEAD, PATCH',
    '/auth/login': 'POST',
    '/me/sessions': 'DELETE, GET, HEAD',
    '/healthz': 'GET, HEAD',
  };
  for (const [path, allow] of Object.entries(paths)) {
    const reply = await api.call('PUT', path);
    refused(t, reply, 'method_not_allowed', path);
    t.equal(reply.headers.get('allow'), allow);
  }
  refused(t, await api.post('/me/sessions/0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f'), 'method_not_allowed', 'with an id');
});

t.test('the API reference loads its files under its own policy, and does not exist in production', async (t) => {
  const { api } = await openService(t, database, { DOCS_ENABLED: 'true' });
  const page = await api.get('/docs');
  t.match(page.headers.get('content-type'), /^text\/html; charset=utf-8/);
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const directive of ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]) {
    t.ok(policy.split('; ').includes(directive), directive);
  }
  t.notMatch(
    page.text,
    /<script(?![^>]*\bsrc=)|\son\w+=|<style|javascript:/i,
    'nothing inline, which the policy forbids',
  );
  const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path ?? '');
  t.equal(parts.length, 3);
  const types = { css: /^text\/css/, js: /^text\/javascript/, yaml: /^application\/yaml/ };
  const start = await api.get('/docs/start.js');
  const asked = [...start.text.matchAll(/'(\/docs\/[^']+)'/g)].map(([, path]) => path ?? '');
  t.strictSame(asked, ['/docs/openapi.yaml']);
  for (const path of [...parts, ...asked]) {
    t.match(path, /^\/docs\//, 'from its own origin');
    const part = await api.get(path);
    t.equal(part.status, 200, path);
    t.match(part.headers.get('content-type'), types[path.split('.').at(-1) as keyof typeof types]);
    t.ok(part.text.length > 50);
  }
  t.match(parse((await api.get('/docs/openapi.yaml')).text), { openapi: /^3\.1/, paths: {} });

  const production = await openService(t, database, {
    NODE_ENV: 'production',
    DATABASE_URL: database.ownerUrl,
    PUBLIC_URL: 'https://auth.example.com',
    RATE_LIMIT_ENABLED: 'true',
    KEYS_DIR: (await openService(t, database)).keysDirectory,
  });
  for (const path of ['/docs', ...parts, ...asked]) refused(t, await production.api.get(path), 'not_found', path);
});

t.test('the key set and the metadata may be cached, and the key set has an ETag', async (t) => {
  const { api } = await openService(t, database);
  const jwks = await api.get('/.well-known/jwks.json');
  t.match(jwks.headers.get('cache-control'), /^public, max-age=\d+/);
  t.match(jwks.headers.get('content-type'), /^application\/json/);
  const etag = jwks.headers.get('etag') ?? '';
  t.match(etag, /^"[^"]+"$/);
  for (const sent of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const same = await get(api, '/.well-known/jwks.json', `If-None-Match: ${sent}`);
    t.strictSame([same.status, same.text, same.headers.get('etag')], [304, '', etag], `If-None-Match: ${sent}`);
    t.match(same.headers.get('cache-control'), /^public/);
  }
  for (const sent of ['"other"', etag.slice(1, -1), '']) {
    t.equal((await get(api, '/.well-known/jwks.json', `If-None-Match: ${sent}`)).status, 200, sent);
  }
  t.strictSame(Object.keys(jwks.body), ['keys']);
  for (const key of jwks.body.keys) t.strictSame(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  t.match(
    (await api.get('/.well-known/oauth-authorization-server')).headers.get('cache-control'),
    /^public, max-age=\d+/,
  );
});

async function saidTo(t: Test, api: Api, path: string): Promise<void> {
  const plain = (await get(api, path)).text;
  t.match(plain, /http|"kty"/, path);
  const claims = [
    'Host: evil.example.com',
    'X-Forwarded-Host: evil.example.com',
    'Forwarded: host=evil.example.com;proto=http',
    'X-Forwarded-Proto: http',
  ];
  for (const claim of claims) {
    const head = claim.startsWith('Host')
      ? `GET ${path} HTTP/1.1\r\n${claim}\r\n\r\n`
      : requestHead('GET', path, claim, 'X-Forwarded-For: 192.0.2.1');
    t.equal((await sendRaw(api.url, head)).text, plain, `${path} with ${claim}`);
  }
}

t.test('keys and metadata are served without PostgreSQL, and are the same for every Host header', async (t) => {
  const dead = new URL(database.appUrl);
  dead.port = '1';
  const away = { ...database, appUrl: dead.href, systemUrl: dead.href };
  const settings = { PUBLIC_URL: 'https://auth.example.com', TRUSTED_PROXIES: '127.0.0.1' };
  const { api } = await openService(t, away, settings);
  t.equal((await api.get('/readyz')).status, 503, 'PostgreSQL is away');
  t.equal((await api.get('/healthz')).status, 200);
  for (const path of ['/.well-known/jwks.json', '/.well-known/oauth-authorization-server']) await saidTo(t, api, path);
  t.match((await api.get('/.well-known/oauth-authorization-server')).body, {
    issuer: 'https://auth.example.com',
    jwks_uri: 'https://auth.example.com/.well-known/jwks.json',
  });
  t.equal((await api.get('/.well-known/jwks.json')).body.keys.length, 1);
});
