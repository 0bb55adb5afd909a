// A service behind a real nginx with the documented configuration. nginx checks each request at Tenantry.
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import { IDENTITY_HEADERS, isIdentityHeader } from '../../src/protocol/identity-headers.ts';
import { type ForwardAuth, openForwardAuth, tokenWith } from '../access/forward-auth/forward.ts';
import { createDatabase } from '../support/database.ts';
import { newAccountWithoutOrganization } from '../support/fixtures/accounts.ts';
import { requestHead, sendRaw } from '../support/raw.ts';
import { openService } from '../support/service.ts';
import { openFront, openProxied, type Seen, SHIPPED } from './proxied.ts';

const holding = ({ service }: Pick<ForwardAuth, 'service'>, ...permissions: string[]) =>
  tokenWith(service, ['clerk'], permissions);
const identityOf = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => isIdentityHeader(name)));

t.test('the service receives the identity of the caller', async (t) => {
  const { seen, join, organization, asClient, api } = await openFront(t);
  const agent = await join('agent');
  const { data } = (await api.get('/me', { token: agent.token })).body;
  t.strictSame(identityOf((await seen('/', agent.token)).headers), {
    'x-user-id': agent.userId,
    'x-organization-id': organization.id,
    'x-roles': 'agent',
    'x-permissions': data.permissions.join(','),
    'x-session-id': agent.sessionId,
  });
  const client = await asClient(['deals:read']);
  t.strictSame(identityOf((await seen('/', client.token)).headers), {
    'x-client-id': client.id,
    'x-organization-id': organization.id,
    'x-permissions': 'deals:read',
  });
});

t.test('identity headers that a client sends never reach the service, in any spelling and at any path', async (t) => {
  const { raw, api } = await openFront(t);
  const loner = await newAccountWithoutOrganization(api);
  const lies = IDENTITY_HEADERS.flatMap((name) => {
    const upper = name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
    const other = [upper.replaceAll('-', '_'), upper.replaceAll('-', '.'), upper.replace('-', '_'), `${name} `];
    return [upper, name.toUpperCase(), ...other].map((spelling) => `${spelling}: forged`);
  });
  const good = lies.filter((line) => !line.includes(' :'));
  for (const path of ['/', '/socket', '/healthz']) {
    const reply = await raw('GET', path, `Authorization: Bearer ${loner.accessToken}`, ...good);
    t.equal(reply.status, 200);
    const told = identityOf((JSON.parse(reply.text) as Seen).headers);
    const expected = { 'x-user-id': loner.userId, 'x-session-id': loner.sessionId };
    t.strictSame(told, path === '/healthz' ? {} : expected, path);
    t.notOk(reply.text.includes('forged'), `${path}: other spellings do not arrive either`);
  }
  const hop = await raw(
    'GET',
    '/',
    `Authorization: Bearer ${loner.accessToken}`,
    'Connection: close, X-User-ID, X-Session-ID',
  );
  t.match(
    identityOf((JSON.parse(hop.text) as Seen).headers),
    { 'x-user-id': loner.userId },
    'a client cannot remove the real identity headers',
  );
  const blank = await raw('GET', '/', `Authorization: Bearer ${loner.accessToken}`, 'X-User-ID : forged');
  t.notOk(blank.status === 200 && blank.text.includes('forged'), 'a space before the colon hides no header');
  t.equal((await raw('GET', '/', ...good)).status, 401, 'forged identity headers do not authenticate');
});

t.test('a refused request gets Tenantry’s answer, and never reaches the service', async (t) => {
  const front = await openFront(t);
  const { call, raw, api, join } = front;
  const challenge = (response: Response) => [response.status, response.headers.get('www-authenticate')];
  t.strictSame(challenge(await call('/')), [401, 'Bearer']);
  t.strictSame(challenge(await call('/', 'x.y.z')), [401, 'Bearer error="invalid_token"']);
  const gone = await join('owner');
  t.equal((await call('/deals', gone.token)).status, 200);
  await api.post('/auth/logout', {}, { token: gone.token });
  t.strictSame(challenge(await call('/deals', gone.token)), [401, 'Bearer error="invalid_token"']);
  const clerk = await holding(front, 'deals:read');
  t.strictSame(challenge(await call('/deals', clerk, { method: 'POST' })), [403, null]);
  for (const path of ['/_tenantry', '/_tenantry/deals', '/_tenantry/deals:read']) {
    t.equal((await call(path, clerk)).status, 404, `${path} is only for nginx`);
  }
  for (const tenant of [{ 'x-tenant-id': 'acme' }, { 'x-organization-slug': 'acme' }]) {
    t.equal(
      (await call('/', clerk, { headers: tenant })).status,
      200,
      'the header names the organization of the token',
    );
  }
  t.equal((await call('/', clerk, { headers: { 'x-tenant-id': 'other' } })).status, 403);
  t.equal((await call('/', clerk, { headers: { 'x-tenant-id': 'no slug!' } })).status, 400, 'an error of the client');
  t.equal(
    (await call('/', clerk, { headers: { 'x-required-permission': 'not one' } })).status,
    200,
    'the header is not forwarded',
  );
  const twice = await raw('GET', '/', `Authorization: Bearer ${clerk}`, 'Authorization: Bearer x.y.z');
  const heard = twice.status === 200 ? (JSON.parse(twice.text) as Seen).headers.authorization : `Bearer ${clerk}`;
  t.equal(heard, `Bearer ${clerk}`, 'of two tokens the service gets the one that was checked');
});

t.test('a location requires its permission, and a permission for one method only for that method', async (t) => {
  const front = await openFront(t);
  const { call } = front;
  const [reader, writer, exporter] = await Promise.all([
    holding(front, 'deals:read'),
    holding(front, 'deals:*'),
    holding(front, 'reports:export'),
  ]);
  const table = [
    [reader, 'GET', '/deals/7', 200],
    [reader, 'HEAD', '/deals', 200],
    [reader, 'POST', '/deals', 403],
    [reader, 'DELETE', '/deals/7', 403],
    [reader, 'OPTIONS', '/deals', 403],
    [reader, 'GET', '/reports/export', 403],
    [reader, 'GET', '/reports', 200],
    [writer, 'GET', '/deals', 200],
    [writer, 'PATCH', '/deals/7', 200],
    [exporter, 'GET', '/reports/export/march', 200],
    [exporter, 'GET', '/deals', 403],
  ] as const;
  for (const [token, method, path, status] of table) {
    t.equal((await call(path, token, { method })).status, status, `${method} ${path}`);
    t.equal(
      (await call(`${path}?permission=deals:read&a=1`, token, { method })).status,
      status,
      'the query has no effect',
    );
    t.equal((await call(path, undefined, { method })).status, 401, `${method} ${path} without a token`);
  }
});

t.test('nginx decides by the same path that the service receives', async (t) => {
  const front = await openFront(t);
  const token = await holding(front);
  const ask = async (target: string, ...fields: string[]) => {
    const reply = await front.raw('GET', target, ...fields);
    return reply.status === 200 ? (JSON.parse(reply.text) as Seen).url : reply.status;
  };
  const table = [
    ['/deals', 403],
    ['/Deals/7', 403],
    ['/DEALS', 403],
    ['//deals/7', 403],
    ['/./deals', 403],
    ['/x/../deals/7', 403],
    ['/x/..%2fdeals/7', 403],
    ['/x/%2e%2e/deals/7', 403],
    ['/%64eals/7', 403],
    ['/deals%2f7', 403],
    ['/deals%3fx', 403],
    ['/deals.json', 403],
    ['/deals/7/', 403],
    ['/healthz/../deals', 403],
    ['/healthz%2f..%2fdeals', 403],
    ['http://service.test/deals', 403],
    ['/deals/..%2fcontacts', '/contacts'],
    ['/deals/../contacts?x=/../deals', '/contacts?x=/../deals'],
    ['/x/..%252fdeals', '/x/..%252fdeals'],
    ['/a%20b/%C3%A9%3F%23%25', '/a%20b/%C3%A9%3F%23%25'],
    ['/a%0d%0aX-User-ID:%20forged', '/a%0D%0AX-User-ID:%20forged'],
    ['/a?b=%2F..%2F&c=%0d%0aX:y', '/a?b=%2F..%2F&c=%0d%0aX:y'],
    ['/?', '/'],
    ['/healthzz', '/healthzz'],
    ['/%00', 400],
    ['/../deals', 400],
    ['/deals;x=1/7', 400],
    ['/healthz/..;/deals', 400],
    ['/healthz/..%3b/deals', 400],
    ['/..%2f..%2fdeals', 400],
  ] as const;
  for (const [target, outcome] of table) {
    t.equal(await ask(target, `Authorization: Bearer ${token}`), outcome, target);
    t.match(await ask(target), outcome === 400 ? 400 : 401, `${target}: no access without a token`);
  }
  for (const target of ['/healthz', '//healthz', '/deals/../healthz', '/deals/..%2fhealthz', '/%68ealthz']) {
    t.equal(await ask(target), '/healthz', `${target} is open, and the service gets no other path`);
  }
  for (const target of ['/Healthz', '/healthz/', '/healthz%2fdeals']) {
    t.equal(await ask(target), 401, target);
  }
});

t.test('requests arrive complete, and nginx sends its checks over connections that stay open', async (t) => {
  const front = await openFront(t);
  const token = await holding(front, 'deals:write');
  let connections = 0;
  front.app.server.server.on('connection', () => {
    connections += 1;
  });
  const body = Buffer.alloc(900_000, 'x');
  for (let sent = 0; sent < 30; sent += 1) {
    const method = ['POST', 'PUT', 'PATCH'][sent % 3] ?? '';
    const heard = await front.seen('/deals?page=2', token, { method, body, headers: { 'content-type': 'text/plain' } });
    t.match(heard, { method, url: '/deals?page=2', bytes: 900_000, headers: { 'content-type': 'text/plain' } });
  }
  t.ok(connections <= 2, `${connections} connections for 30 checks`);
  const fields = [`Authorization: Bearer ${token}`, 'Transfer-Encoding: chunked'];
  const chunked = await sendRaw(front.nginx.url, requestHead('POST', '/deals', ...fields), '5\r\nhello\r\n0\r\n\r\n');
  t.equal((JSON.parse(chunked.text) as Seen).bytes, 5);
  const refusedEarly = await front.raw('POST', '/deals', 'Content-Length: 900000', 'Expect: 100-continue');
  t.equal(refusedEarly.status, 401, 'the request is refused before its body is sent');
});

t.test('identity headers with many permissions and long role names fit into nginx’s buffers', async (t) => {
  const front = await openFront(t);
  const resource = `r${'x'.repeat(30)}`;
  const permissions = Array.from({ length: 200 }, (_, index) => `${resource}${index}:${'a'.repeat(20)}`);
  const roles = Array.from({ length: 20 }, (_, index) => `Außendienst 役割 🦊 ${index} ${'ü'.repeat(30)}`);
  const { headers } = await front.seen('/', await tokenWith(front.service, roles, permissions));
  t.ok(headers['x-permissions'] === permissions.sort().join(','), 'all permissions');
  t.strictSame(String(headers['x-roles']).split(',').map(decodeURIComponent), roles);
});

t.test('a websocket upgrade is checked like any request, and only its own path accepts an upgrade', async (t) => {
  const front = await openFront(t);
  const url = `${front.nginx.url.replace('http', 'ws')}/socket/live`;
  const dial = (headers: Record<string, string>) => new WebSocket(url, { headers });
  const socket = dial({
    authorization: `Bearer ${await holding(front)}`,
    'x-organization-id': 'forged',
    'x-roles': 'forged',
    'x-tenant-id': 'acme',
    x_tenant_id: 'forged',
  });
  t.teardown(() => socket.terminate());
  await once(socket, 'open');
  socket.send('hello');
  const [answer] = await once(socket, 'message');
  const heard = JSON.parse(String(answer));
  const named = { 'x-tenant-id': heard.headers['x-organization-id'], 'x-organization-slug': 'acme' };
  t.match(heard, { heard: 'hello', url: '/socket/live', headers: { 'x-roles': 'clerk', ...named } });
  t.notOk(JSON.stringify(heard).includes('forged'));
  const bearing = { authorization: `Bearer ${await holding(front)}` };
  for (const [headers, status] of [
    [{}, 401],
    [{ authorization: 'Bearer x.y.z' }, 401],
    [{ ...bearing, 'x-tenant-id': 'other' }, 403],
  ] as const) {
    const [, response] = await once(
      dial(headers).on('error', () => undefined),
      'unexpected-response',
    );
    t.equal(response.statusCode, status);
    response.destroy();
  }
  const bearer = `Authorization: Bearer ${await holding(front)}`;
  for (const protocol of ['h2c', 'h2c, websocket', 'websocket, h2c', 'websocket/13', 'tls']) {
    const fields = ['Connection: Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`, 'HTTP2-Settings: AAMAAABkAAQAAP__'];
    const other = await front.raw('GET', '/', bearer, ...fields);
    t.equal(other.status, 200, `${protocol}: the request is answered, without an upgrade`);
    const { upgrade, connection } = (JSON.parse(other.text) as Seen).headers;
    t.strictSame([upgrade, connection], [undefined, undefined]);
  }
});

t.test('while Tenantry cannot decide or answer, a request gets 503 and is not forwarded', async (t) => {
  const front = await openForwardAuth(t);
  const token = await holding(front, 'deals:read');
  const nowhere = 'postgresql://tenantry_app@127.0.0.1:1/none';
  const blind = await openService(t, { ...(await createDatabase(t)), appUrl: nowhere, systemUrl: nowhere });
  const { call } = await openProxied(t, blind.url);
  const later = (response: Response) => [response.status, response.headers.get('retry-after')];
  for (const path of ['/', '/deals', '/socket']) t.strictSame(later(await call(path, token)), [503, '1'], path);
  t.equal((await call('/')).status, 401, 'a request without a token still gets 401');
  t.equal((await call('/healthz')).status, 200, 'open paths stay open');
  await blind.app.close();
  for (const path of ['/', '/deals', '/socket']) t.strictSame(later(await call(path, token)), [503, '1'], path);
  t.equal((await call('/healthz')).status, 200);

  const nonsense = createServer((socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n'));
  await once(nonsense.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => nonsense.close());
  const astray = await openProxied(t, `http://127.0.0.1:${(nonsense.address() as AddressInfo).port}`);
  t.strictSame(later(await astray.call('/', token))[0], 500, 'an answer of another server forwards no request');
});

t.test('if the required permission in the configuration is invalid, no request is forwarded', async (t) => {
  const front = await openForwardAuth(t);
  const token = await holding(front, '*:*');
  for (const mistaken of ['/_tenantry/Reports:export', '/_tenantry/', '/_tenantry/reports:']) {
    const shipped = SHIPPED.replace('auth_request /_tenantry/reports:export;', `auth_request ${mistaken};`);
    t.not(shipped, SHIPPED);
    const { call } = await openProxied(t, front.service.url, shipped);
    const { status } = await call('/reports/export', token);
    t.ok(status >= 400, `${mistaken}: ${status}`);
    t.equal((await call('/reports', token)).status, 200);
  }
});
