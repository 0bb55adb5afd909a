// The middleware for Socket.IO: a real server and real clients over loopback, by websocket and by long-polling.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ServerOptions, type Socket as ServerSocket, Server as SocketServer } from 'socket.io';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import t, { type Test } from 'tap';
import { principalOf, requirePermission, socketIoMiddleware } from '../../../src/verifier/adapters/websocket.ts';
import { openIssuer } from '../../support/issuer.ts';

type ClientOptions = Partial<ManagerOptions & SocketOptions>;

interface FromClient {
  say(text: string, answer: (text: string) => void): void;
}

interface ToClient {
  welcome(text: string): void;
}

/** `/` and `/deals` need a token, and `/deals` also needs deals:listen. `/open` needs no token. */
async function begin(t: Test, options: Partial<ServerOptions> = {}) {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const http = createServer();
  const server = new SocketServer<FromClient, ToClient>(http, options);
  server.use(socketIoMiddleware(verifier));
  server.on('connection', (socket) => {
    socket.on('say', (text, answer) => answer(`heard ${text}`));
  });
  server.of('/deals').use(socketIoMiddleware(verifier)).use(requirePermission('deals:listen'));
  server.of('/open').on('connection', () => {});
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const clients: Socket[] = [];
  t.teardown(async () => {
    verifier.close();
    for (const client of clients) client.disconnect();
    await server.close();
  });
  function dial(auth: object, more: ClientOptions = {}, path = '/'): Socket {
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`;
    const client = io(url, { auth, forceNew: true, reconnection: false, transports: ['websocket'], ...more });
    clients.push(client);
    return client;
  }
  async function open(token: string, more: ClientOptions = {}) {
    const connected = heard<ServerSocket>(server, 'connection');
    const client = dial({ token }, more);
    await heard(client, 'connect');
    return { client, server: await connected };
  }
  return { issuer, verifier, server, dial, open };
}

interface Emitter {
  once(event: string, listener: (value: never) => void): unknown;
}

const heard = <Value>(emitter: object, event: string) =>
  new Promise<Value>((resolve) => (emitter as Emitter).once(event, resolve));

interface ConnectError extends Error {
  readonly data: { readonly code: string };
}

const refused = (client: Socket) =>
  Promise.race([
    heard<ConnectError>(client, 'connect_error'),
    heard(client, 'connect').then(() => Promise.reject(new Error('was let in'))),
  ]);

t.test('a client with a valid token connects as the user of the token, by websocket and by long-polling', async (t) => {
  const { issuer, open } = await begin(t);
  for (const transport of ['websocket', 'polling'] as const) {
    const { client, server } = await open(issuer.token(), { transports: [transport] });
    t.equal(principalOf(server)?.id, issuer.userId, transport);
    t.match(server.data, { principal: { kind: 'user', id: issuer.userId } });
    t.same(JSON.parse(JSON.stringify(server.data)), server.data, 'the data can be sent to other processes as JSON');
    t.equal(await client.emitWithAck('say', 'hello'), 'heard hello');
  }
});

t.test('a token in the Authorization header is accepted, and two tokens are refused', async (t) => {
  const { issuer, dial } = await begin(t);
  const extraHeaders = { authorization: `Bearer ${issuer.token()}` };
  await heard(dial({}, { extraHeaders }), 'connect');
  t.match(await refused(dial({ token: issuer.token() }, { extraHeaders })), { data: { code: 'invalid_token' } });
});

t.test('a socket without a valid token is refused with a code for the reason', async (t) => {
  const { issuer, dial, server } = await begin(t);
  server.on('connection', () => t.fail('somebody was let in'));
  t.match(await refused(dial({})), { data: { code: 'unauthenticated' }, message: /access token/ });
  const headers = (authorization: string | string[]) => ({ extraHeaders: { authorization } as never });
  t.match(await refused(dial({}, headers(`Basic ${issuer.token()}`))), { data: { code: 'invalid_token' } });
  const twice = [`Bearer ${issuer.token()}`, `Bearer ${issuer.token()}`];
  t.match(await refused(dial({}, headers(twice))), { data: { code: 'invalid_token' } }, 'doubled');
  t.match(await refused(dial({ token: issuer.expiredToken() })), { data: { code: 'token_expired' } });
  t.match(await refused(dial({ token: `Bearer ${issuer.token()}` })), { data: { code: 'invalid_token' } });
  for (const token of [null, 7, true, [issuer.token()], { token: issuer.token() }, '']) {
    t.match(await refused(dial({ token })), { data: { code: 'invalid_token' } }, JSON.stringify(token)?.slice(0, 10));
  }
  const query = { query: { token: issuer.token() } };
  t.match(await refused(dial({}, query)), { data: { code: 'unauthenticated' } }, 'a token in the query is ignored');
});

t.test('while revocations are unknown, a new socket is refused and an open socket stays open', async (t) => {
  const { issuer, dial, open } = await begin(t);
  const { client } = await open(issuer.token());
  issuer.setStale(true);
  const { data } = await refused(dial({ token: issuer.token() }));
  t.match(data, { code: 'revocations_stale', retryAfterSeconds: 1 });
  t.equal(await client.emitWithAck('say', 'hello'), 'heard hello');
});

t.test('a revoked key disconnects the sockets whose token it signed, and refuses further ones', async (t) => {
  const { issuer, open, dial } = await begin(t);
  const token = issuer.token();
  const { client, server } = await open(token);
  const told = heard(client, 'unauthenticated');
  const gone = heard(client, 'disconnect');
  issuer.revokeKey();
  t.match(await told, { code: 'invalid_token' });
  await gone;
  t.equal(principalOf(server), null);
  t.match(await refused(dial({ token })), { data: { code: 'invalid_token' } });
  const next = await open(issuer.token());
  t.equal(await next.client.emitWithAck('say', 'hello'), 'heard hello');
});

t.test('a namespace can require a permission, which is read from the token or the service', async (t) => {
  const { issuer, dial } = await begin(t);
  const dialAs = (token: string) => dial({ token }, {}, '/deals');
  t.match(await refused(dialAs(issuer.token())), { data: { code: 'permission_denied' } });
  t.match(await refused(dialAs(issuer.token({ permissions_ref: true }))), { data: { code: 'permission_denied' } });
  issuer.grant(issuer.userId, 'deals:listen');
  await heard(dialAs(issuer.token({ permissions_ref: true })), 'connect');
  await heard(dialAs(issuer.token({ permissions: ['*:listen'] })), 'connect');
});

t.test('a revocation disconnects the sockets that it affects with a reason, and no others', async (t) => {
  const { issuer, open } = await begin(t);
  const [sid, sub, org] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
  const bystander = await open(issuer.token());
  const cases = [
    [await open(issuer.token({ sid })), { kind: 'session', sid }, 'session_revoked'],
    [await open(issuer.token({ sub })), { kind: 'user', sub, epoch: 2 }, 'token_stale'],
    [
      await open(issuer.token({ sub: org })),
      { kind: 'membership', sub: org, org: issuer.organizationId, epoch: 2 },
      'token_stale',
    ],
    [await open(issuer.clientToken()), { kind: 'client', client_id: issuer.clientId, epoch: 2 }, 'token_stale'],
    [
      await open(issuer.token({ org })),
      { kind: 'organization', org, state: 'suspended', at: 1 },
      'organization_suspended',
    ],
  ] as const;
  for (const [{ client, server }, revocation, code] of cases) {
    const [told, gone] = [heard(client, 'unauthenticated'), heard(client, 'disconnect')];
    issuer.revoke(revocation);
    t.equal(principalOf(server), null);
    t.equal(server.connected, false);
    t.same(await told, { code });
    t.equal(await gone, 'io server disconnect', 'the client sees that the server ended the connection');
  }
  t.equal(await bystander.client.emitWithAck('say', 'hello'), 'heard hello');
});

t.test('a socket is disconnected when its token expires, and a new token keeps it connected', async (t) => {
  const { issuer, open } = await begin(t);
  const sid = crypto.randomUUID();
  const [left, kept] = [await open(issuer.token()), await open(issuer.token({ sid }))];
  issuer.advance(600);
  const next = issuer.token({ sid, permissions: ['deals:listen'] });
  const expiresAt = new Date((Math.floor(issuer.now() / 1000) + 900) * 1000).toISOString();
  t.same(await kept.client.emitWithAck('authenticate', { token: next }), {
    event: 'authenticated',
    data: { expiresAt },
  });
  t.match(principalOf(kept.server)?.permissions, ['deals:listen']);
  t.match(kept.server.data.principal.permissions, ['deals:listen']);
  const answered = heard(kept.client, 'authenticated');
  kept.client.emit('authenticate', { token: next });
  t.same(await answered, { expiresAt }, 'a renewal without an acknowledgement gets the same answer');
  const told = heard(left.client, 'unauthenticated');
  issuer.advance(306);
  t.same(await told, { code: 'token_expired' });
  t.equal(await kept.client.emitWithAck('say', 'hello'), 'heard hello');
});

t.test('a failed renewal is answered with the reason, and the previous token stays in use', async (t) => {
  const { issuer, open } = await begin(t);
  const { client, server } = await open(issuer.token());
  const before = principalOf(server);
  const cases: [unknown, string][] = [
    [{ token: issuer.token({ sub: crypto.randomUUID() }) }, 'other_subject'],
    [{ token: issuer.token({ org: crypto.randomUUID() }) }, 'other_organization'],
    [{ token: issuer.token({}, { life: 899 }) }, 'token_older'],
    [{ token: issuer.expiredToken() }, 'token_expired'],
    [{ token: 'x' }, 'invalid_token'],
    [{ token: 7 }, 'malformed_frame'],
    [{}, 'malformed_frame'],
    ['x', 'malformed_frame'],
    [null, 'malformed_frame'],
  ];
  for (const [message, code] of cases) {
    t.match(await client.emitWithAck('authenticate', message), { event: 'error', data: { code } }, code);
  }
  const answered = heard<{ code: string }>(client, 'error');
  client.emit('authenticate');
  t.match(await answered, { code: 'malformed_frame' });
  t.equal(principalOf(server), before);
  t.equal(await client.emitWithAck('say', 'hello'), 'heard hello');
});

t.test('a token that is revoked before its socket is connected does not stay connected', async (t) => {
  const { issuer, server, dial } = await begin(t);
  const sid = crypto.randomUUID();
  server.use((_socket, next) => {
    issuer.revoke({ kind: 'session', sid });
    next();
  });
  const client = dial({ token: issuer.token({ sid }) });
  const gone = heard(client, 'disconnect');
  const told = heard(client, 'unauthenticated');
  server.once('connection', (socket) => t.equal(principalOf(socket), null, 'the socket has no principal until then'));
  t.same(await told, { code: 'session_revoked' });
  t.equal(await gone, 'io server disconnect');
});

t.test('a server with connection recovery that skips middlewares accepts no socket', async (t) => {
  const { issuer, dial } = await begin(t, { connectionStateRecovery: {} });
  t.match(await refused(dial({ token: issuer.token() })), { message: /skipMiddlewares/ });
});

t.test('a recovered socket is authenticated again, and only as the same user', async (t) => {
  const { issuer, server, open } = await begin(t, { connectionStateRecovery: { skipMiddlewares: false } });
  server.on('connection', (socket) => void socket.emit('welcome', 'x')); // a client without events cannot recover
  async function interrupted(next: string) {
    const { client } = await open(issuer.token());
    const gone = heard(client, 'disconnect');
    client.io.engine.close();
    await gone;
    client.auth = { token: next };
    client.connect();
    return client;
  }
  const same = await interrupted(issuer.token());
  await heard(same, 'connect');
  t.equal(same.recovered, true);
  t.match(await refused(await interrupted(issuer.token({ sub: crypto.randomUUID() }))), {
    data: { code: 'invalid_token' },
  });
  t.match(await refused(await interrupted(issuer.expiredToken())), { data: { code: 'token_expired' } });
});

t.test('a namespace without the middleware needs no token, even if others need one', async (t) => {
  const { dial } = await begin(t);
  await heard(dial({}, {}, '/open'), 'connect');
});
