// The refresh token in a cookie: the attributes of the cookie, who can send it, and that only a success or a logout
// changes it.
import t, { type Test } from 'tap';
import { atOnce, type Reply } from '../../support/client.ts';
import { createDatabase, endConnections, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { openService, type Service } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { ageRotation, sessionRow } from './rows.ts';

const HTTPS = { PUBLIC_URL: 'https://auth.example.com', CORS_ORIGINS: 'https://app.example.com' };
const NAME = '__Host-tenantry_refresh';

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly attributes: string[];
}

function parse(setCookie: string | undefined): Cookie {
  const [pair = '', ...attributes] = (setCookie ?? '').split('; ');
  const [name = '', value = ''] = pair.split('=');
  return { name, value, attributes: attributes.map((text) => text.replace(/^Expires=.*/, 'Expires')).sort() };
}

/** A user who signed in with the transport "cookie", and the headers that the browser sends. */
async function browser(t: Test, settings: Record<string, string> = HTTPS) {
  const database = await createDatabase(t);
  const service = await openService(t, database, settings);
  const { email, password, userId } = await newAccount(service.api);
  const reply = await service.api.post('/auth/login', { email, password, transport: 'cookie' });
  const cookie = parse(reply.setCookie[0]);
  const { accessToken, sessionId } = reply.body.data as { accessToken: string; sessionId: string };
  return { database, service, reply, cookie, email, password, userId, accessToken, sessionId };
}

function byCookie({ api }: Service, path: string, value: string, headers: Record<string, string> = {}): Promise<Reply> {
  return api.post(path, undefined, { headers: { cookie: `${NAME}=${value}`, ...headers } });
}

t.test('over https the cookie has the __Host- prefix, Secure, HttpOnly and SameSite=Strict', async (t) => {
  const { service, reply, cookie } = await browser(t);
  t.equal(reply.setCookie.length, 1);
  t.equal(cookie.name, NAME);
  t.same(cookie.attributes, ['Expires', 'HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure']);
  const expires = /Expires=([^;]+)/.exec(reply.setCookie[0] ?? '')?.[1] ?? '';
  const instant = Math.floor(new Date(reply.body.data.refreshExpiresAt).getTime() / 1000);
  t.equal(new Date(expires).getTime() / 1000, instant, 'the cookie expires with the token');
  t.equal(
    (await byCookie(service, '/auth/refresh', cookie.value)).status,
    200,
    'the cookie contains the refresh token',
  );
});

t.test('over http on localhost the cookie has neither prefix nor Secure', async (t) => {
  for (const PUBLIC_URL of ['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000']) {
    const { cookie } = await browser(t, { PUBLIC_URL });
    t.equal(cookie.name, 'tenantry_refresh');
    t.same(cookie.attributes, ['Expires', 'HttpOnly', 'Path=/', 'SameSite=Strict']);
  }
  const { cookie } = await browser(t, { PUBLIC_URL: 'http://auth.internal' });
  t.equal(cookie.name, NAME, 'any other host needs https');
});

t.test('an answer has the refresh token in the cookie or in the JSON, never in both', async (t) => {
  const { database, service, reply, cookie, email, password } = await browser(t);
  const { api } = service;
  const account = { email: 'cookie@example.com', password: 'a rather long one', name: 'Ada', transport: 'cookie' };
  const registered = await api.post('/auth/register', account);
  const refreshed = await byCookie(service, '/auth/refresh', cookie.value);
  for (const answer of [reply, registered, refreshed]) {
    t.notOk('refreshToken' in answer.body.data);
    t.equal(answer.setCookie.length, 1);
    t.notOk(answer.text.includes(parse(answer.setCookie[0]).value));
  }
  const inBody = await api.post('/auth/login', { email, password });
  t.type(inBody.body.data.refreshToken, 'string');
  t.same(inBody.setCookie, []);
  const { refreshToken } = inBody.body.data;
  const both = await api.post('/auth/refresh', { refreshToken }, { headers: { cookie: `${NAME}=${cookie.value}` } });
  t.type(both.body.data.refreshToken, 'string', 'a token in the body gets its answer in the body');
  t.same(both.setCookie, []);
  t.equal(both.body.data.sessionId, inBody.body.data.sessionId, 'the token in the body is used before the cookie');
  t.equal((await database.query('SELECT 1 FROM sessions')).length, 4);
});

t.test('the cookie is ignored if a header shows that a page of another site sent the request', async (t) => {
  const { database, service, cookie, sessionId, accessToken, userId } = await browser(t);
  await seedOrganizationOf(database, userId, { slug: 'globex' });
  const before = await sessionRow(database, sessionId);
  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'https://app.example.com.evil.example' },
    { origin: 'http://app.example.com' },
    { origin: 'https://app.example.com:8443' },
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' },
  ];
  const own = { cookie: `${NAME}=${cookie.value}` };
  for (const headers of foreign) {
    const replies = [
      await byCookie(service, '/auth/refresh', cookie.value, headers),
      await byCookie(service, '/auth/logout', cookie.value, headers),
      await service.api.post(
        '/auth/switch-organization',
        { organization: 'globex' },
        { token: accessToken, headers: { ...own, ...headers } },
      ),
    ];
    for (const reply of replies) {
      t.match(reply, { status: 403, code: 'cross_site_request' }, JSON.stringify(headers));
      t.same(reply.setCookie, []);
    }
  }
  t.same(await sessionRow(database, sessionId), before, 'the refusals did not use up the token');
  const good: Record<string, string>[] = [
    {},
    { origin: 'https://auth.example.com', 'sec-fetch-site': 'same-origin' },
    { origin: 'https://app.example.com', 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
  ];
  for (const headers of good) {
    t.equal((await byCookie(service, '/auth/refresh', cookie.value, headers)).status, 200, JSON.stringify(headers));
  }
});

t.test('a page of another site cannot sign in a browser with the transport "cookie"', async (t) => {
  const { service, email, password } = await browser(t);
  const headers = { origin: 'https://evil.example' };
  const fresh = { email: 'planted@example.com', password: 'a rather long one', name: 'Eve', transport: 'cookie' };
  for (const reply of [
    await service.api.post('/auth/login', { email, password, transport: 'cookie' }, { headers }),
    await service.api.post('/auth/register', fresh, { headers }),
  ]) {
    t.match(reply, { status: 403, code: 'cross_site_request' });
    t.same(reply.setCookie, []);
  }
});

t.test('simultaneous refreshes by cookie set the same next token, and a refused refresh sets no cookie', async (t) => {
  const { database, service, cookie, sessionId } = await browser(t);
  const replies = await atOnce(8, () => byCookie(service, '/auth/refresh', cookie.value));
  t.equal(new Set(replies.map((reply) => reply.setCookie[0])).size, 1);
  const child = parse(replies[0]?.setCookie[0]).value;
  t.equal((await byCookie(service, '/auth/refresh', child)).status, 200);
  await ageRotation(database, sessionId);
  for (const value of [cookie.value, child, 'nonsense']) {
    const refused = await byCookie(service, '/auth/refresh', value);
    t.equal(refused.status, 401);
    t.same(
      refused.setCookie,
      [],
      'a reused token does not change the cookie, because the same browser may have the newer token',
    );
  }
  t.match(await service.api.post('/auth/refresh'), { status: 401, code: 'invalid_refresh_token' });
});

/** Allows only the superuser to connect, until the returned function is called. */
async function cutOff(database: TestDatabase): Promise<() => Promise<unknown>> {
  await database.query(`ALTER DATABASE ${database.name} CONNECTION LIMIT 0`);
  await endConnections(database, database.name, 'tenantry');
  return () => database.query(`ALTER DATABASE ${database.name} CONNECTION LIMIT -1`);
}

t.test('without a database refresh and logout answer 503, set no cookie and do not use up the token', async (t) => {
  const { database, service, cookie, sessionId } = await browser(t);
  const before = await sessionRow(database, sessionId);
  const restore = await cutOff(database);
  for (const path of ['/auth/refresh', '/auth/logout']) {
    const reply = await byCookie(service, path, cookie.value);
    t.match(reply, { status: 503, code: 'database_unavailable' });
    t.match(reply.headers.get('retry-after'), /^[1-9]\d*$/);
    t.same(reply.setCookie, []);
  }
  await restore();
  t.same(await sessionRow(database, sessionId), before);
  // The service queries the database again after a moment.
  let reply = await byCookie(service, '/auth/refresh', cookie.value);
  await until(async () => {
    if (reply.status === 503) reply = await byCookie(service, '/auth/refresh', cookie.value);
    return reply.status !== 503;
  });
  t.equal(reply.status, 200, 'the same cookie still works');
});

t.test('a logout by cookie ends the session and removes the cookie, and a repeated logout succeeds', async (t) => {
  const { service, cookie } = await browser(t);
  for (let repetition = 0; repetition < 2; repetition += 1) {
    const reply = await byCookie(service, '/auth/logout', cookie.value);
    t.equal(reply.status, 204);
    const removed = parse(reply.setCookie[0]);
    t.same([removed.name, removed.value], [NAME, '']);
    t.same(removed.attributes, ['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Strict', 'Secure']);
  }
  t.equal((await byCookie(service, '/auth/refresh', cookie.value)).code, 'session_revoked');
});

t.test('the answer to a switch by cookie sets the next token in a cookie', async (t) => {
  const { database, service, cookie, accessToken: token, userId } = await browser(t);
  await seedOrganizationOf(database, userId, { slug: 'globex' });
  const headers = { cookie: `${NAME}=${cookie.value}` };
  const reply = await service.api.post('/auth/switch-organization', { organization: 'globex' }, { token, headers });
  t.equal(reply.status, 200);
  t.notOk('refreshToken' in reply.body.data);
  t.equal(
    (await byCookie(service, '/auth/refresh', parse(reply.setCookie[0]).value)).body.data.organization.slug,
    'globex',
  );
});
