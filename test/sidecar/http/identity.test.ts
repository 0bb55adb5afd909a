// The identity headers that the upstream receives: all of them come from the sidecar, and none from the client.
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import t from 'tap';
import { IDENTITY_HEADERS } from '../../../src/protocol/identity-headers.ts';
import { openClient, openSetup, type Setup } from '../open.ts';

type Fields = [string, string][];

/** Sends a plain request and a handshake with the same header lines. Returns the headers that the upstream received. */
async function both(setup: Setup, fields: Fields, target = '/'): Promise<IncomingMessage[]> {
  const { hostname, port } = new URL(setup.http);
  const before = setup.upstream.requests.length;
  const lines: Fields = [['Host', 'app.test:8443'], ['Authorization', `Bearer ${setup.issuer.token()}`], ...fields];
  const plain = httpRequest({ hostname, port, path: target, headers: lines.flat() });
  plain.end();
  const [reply] = (await once(plain, 'response')) as [IncomingMessage];
  reply.resume();
  await once(reply, 'end');
  const client = await openClient(`${setup.ws}/`, [], {
    finishRequest(request) {
      request.path = target;
      for (const [name, value] of lines) request.appendHeader(name, value);
      request.removeHeader('host');
      request.setHeader('host', 'app.test:8443');
      request.end();
    },
  });
  client.socket.terminate();
  return setup.upstream.requests.slice(before);
}

/** Header lines in the order and spelling in which they arrived. */
function linesOf({ rawHeaders }: IncomingMessage): Fields {
  return rawHeaders.flatMap((name, index): Fields => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? '']] : []));
}

t.test('the upstream receives every identity header of the principal', async (t) => {
  const setup = await openSetup(t);
  const { issuer } = setup;
  const sid = '0196f0aa-0000-7000-8000-000000000001';
  const claims = { sid, roles: ['Agent, senior', 'Ängste'], permissions: ['contacts:read', 'deals:*'] };
  await setup.open('/', issuer.token(claims));
  const user = {
    'x-user-id': issuer.userId,
    'x-client-id': '',
    'x-organization-id': issuer.organizationId,
    'x-roles': 'Agent%2C%20senior,%C3%84ngste',
    'x-permissions': 'contacts:read,deals:*',
    'x-permissions-elsewhere': '',
    'x-session-id': sid,
  };
  t.match(setup.upstream.requests[0]?.headers, user);
  await setup.open('/', issuer.clientToken({ permissions: ['a:b'] }));
  t.match(setup.upstream.requests[1]?.headers, {
    'x-user-id': '',
    'x-client-id': issuer.clientId,
    'x-organization-id': issuer.organizationId,
    'x-permissions': 'a:b',
    'x-session-id': '',
  });
  await setup.open('/', issuer.token({ org: undefined, permissions_ref: undefined }));
  t.match(setup.upstream.requests[2]?.headers, { 'x-user-id': issuer.userId, 'x-organization-id': '', 'x-roles': '' });
  await setup.open('/', issuer.token({ permissions_ref: true }));
  t.match(setup.upstream.requests[3]?.headers, { 'x-permissions': '', 'x-permissions-elsewhere': 'true' });
});

t.test('identity headers of a client are removed in every spelling, for sockets and plain requests', async (t) => {
  const setup = await openSetup(t);
  const spellings = (name: string) => [
    name,
    name.toUpperCase(),
    name.replaceAll('-', '_'),
    name.replaceAll('-', '_').toUpperCase(),
    name.replace('-', '_'),
    name.replaceAll('-', '.'),
    name.replaceAll('-', '!'),
    name.replace(/-(?=[^-]*$)/, '_'),
  ];
  const fields: Fields = IDENTITY_HEADERS.flatMap((name) =>
    spellings(name).flatMap(
      (spelling): Fields => [
        [spelling, 'spoofed'],
        [spelling, 'spoofed again'],
      ],
    ),
  );
  for (const half of [fields.slice(0, 60), fields.slice(60)]) {
    for (const got of await both(setup, half)) {
      t.equal(got.headers['x-user-id'], setup.issuer.userId);
      t.notMatch(JSON.stringify(got.rawHeaders), /spoofed/);
      for (const name of IDENTITY_HEADERS) {
        const alike = linesOf(got).filter(([sent]) => sent.toLowerCase().replace(/[^a-z]/g, '-') === name);
        t.equal(alike.length, 1, `${name} occurs once`);
      }
    }
  }
});

t.test('a Connection header of the client cannot remove the headers of the sidecar', async (t) => {
  const setup = await openSetup(t);
  const listed =
    'upgrade, X-User-ID, x-organization-id, X-Permissions, X-Forwarded-For, Host, x-own, cookie, x-request-id';
  const fields: Fields = [
    ['Connection', listed],
    ['X-User-ID', 'spoofed'],
    ['X-Own', 'ends here'],
    ['X-Stays', 'goes on'],
    ['Proxy-Connection', 'keep-alive'],
    ['Keep-Alive', 'timeout=5'],
    ['TE', 'trailers'],
    ['Proxy-Authorization', 'Basic x'],
    ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
  ];
  for (const { headers } of await both(setup, fields)) {
    t.match(headers, { 'x-user-id': setup.issuer.userId, 'x-organization-id': setup.issuer.organizationId });
    t.match(headers, { host: 'app.test:8443', 'x-forwarded-for': '127.0.0.1', 'x-stays': 'goes on' });
    for (const gone of ['x-own', 'proxy-connection', 'te', 'proxy-authorization', 'http2-settings', 'keep-alive'])
      t.notOk(gone in headers, gone);
    t.notMatch(headers.connection ?? '', /x-/i);
  }
});

t.test('the sidecar appends to X-Forwarded-For; other proxy headers count only from trusted peers', async (t) => {
  const fields: Fields = [
    ['X-Forwarded-For', '203.0.113.9'],
    ['X-Forwarded-For', '198.51.100.7, 192.0.2.1'],
    ['X_Forwarded_For', '6.6.6.6'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'public.test'],
    ['X-Forwarded-Prefix', '/app'],
    ['X_Forwarded_Proto', 'gopher'],
    ['Forwarded', 'for=203.0.113.9;proto=https'],
    ['X-Real-IP', '203.0.113.9'],
    ['X-Original-URL', '/admin'],
  ];
  const plain = await openSetup(t);
  for (const { headers } of await both(plain, fields)) {
    t.equal(headers['x-forwarded-for'], '203.0.113.9, 198.51.100.7, 192.0.2.1, 127.0.0.1');
    t.match(headers, { 'x-forwarded-proto': 'http', 'x-forwarded-host': 'app.test:8443' });
    for (const gone of [
      'forwarded',
      'x-real-ip',
      'x-original-url',
      'x-forwarded-prefix',
      'x_forwarded_proto',
      'x_forwarded_for',
    ])
      t.notOk(gone in headers, gone);
  }
  const trusting = await openSetup(t, { settings: { trustedProxies: ['10.0.0.0/8', '127.0.0.0/8', '::1'] } });
  for (const { headers } of await both(trusting, fields)) {
    t.match(headers, { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'public.test', 'x-real-ip': '203.0.113.9' });
    t.notOk('x_forwarded_proto' in headers);
    t.equal(headers['x-user-id'], trusting.issuer.userId, 'identity headers do not count from any peer');
  }
  for (const wrong of ['10.0.0.0/33', 'proxy.test', '::1/129', '', '10.0.0.0/-1', '1.2.3.4/'])
    await t.rejects(openSetup(t, { settings: { trustedProxies: [wrong] } }), /CIDR/, wrong);
});

t.test('header names that a receiver could read as framing or handshake headers are not passed on', async (t) => {
  const setup = await openSetup(t);
  const fields: Fields = [
    ['Content_Length', '5'],
    ['Transfer_Encoding', 'chunked'],
    ['Sec_WebSocket_Protocol', 'x'],
    ['Sec-WebSocket-Accept', 'x'],
    ['Sec-WebSocket-Extensions', 'permessage-deflate'],
    ['X_Request_ID', 'spoofed'],
    ['my_own', 'stays'],
  ];
  for (const { headers } of await both(setup, fields)) {
    const names = Object.keys(headers);
    t.same(
      names.filter((name) => name.includes('_')),
      ['my_own'],
    );
    t.notOk('sec-websocket-accept' in headers || 'sec-websocket-extensions' in headers);
  }
});

t.test('a valid request id is kept, else a new id is created; upstream and answer get the same id', async (t) => {
  const setup = await openSetup(t);
  for (const { headers } of await both(setup, [['X-Request-ID', 'abc-1']])) t.equal(headers['x-request-id'], 'abc-1');
  for (const fields of [
    [['X-Request-ID', 'a b']],
    [
      ['X-Request-ID', 'a'],
      ['X-Request-ID', 'b'],
    ],
  ] as Fields[]) {
    for (const { headers } of await both(setup, fields)) t.match(headers['x-request-id'], /^[\da-f-]{36}$/);
  }
});

t.test('the target reaches the upstream byte for byte', async (t) => {
  const setup = await openSetup(t);
  for (const target of [
    '//evil.test/x',
    '/a/../b/./c',
    '/%2e%2e/%2F%00',
    '/a//b///?x=//y&z=%zz',
    '/?',
    '/a;b=c?d#'.slice(0, -1),
    '/"<>^`{|}',
    '/http://other.test/',
    `/${'x'.repeat(4000)}`,
  ]) {
    for (const { url } of await both(setup, [], target)) t.equal(url, target);
  }
});
