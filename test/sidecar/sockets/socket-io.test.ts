// A real Socket.IO server behind the sidecar. The server has no authentication of its own.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket as ServerSocket } from 'socket.io';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import t, { type Test } from 'tap';
import { openIssuer } from '../../support/issuer.ts';
import { openSetup, type Setup, type Upstream } from '../open.ts';

/** Resolves to the arguments of the next event of a client. */
function next(emitter: unknown, event: string): Promise<unknown[]> {
  const source = emitter as { once(event: string, listener: (...given: unknown[]) => void): void };
  return new Promise((resolve) => source.once(event, (...given) => resolve(given)));
}

const SID = '0196f0aa-0000-7000-8000-000000000001';

interface Hall {
  readonly server: Server;
  readonly setup: Setup;
  readonly sockets: ServerSocket[];
  connect(token: string, options?: Partial<ManagerOptions & SocketOptions>): Promise<Socket>;
}

async function openHall(t: Test): Promise<Hall> {
  const http = createServer();
  const server = new Server(http);
  const sockets: ServerSocket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('whoami', (answer) => answer(socket.handshake.headers['x-user-id']));
    socket.on('echo', (...given: unknown[]) => socket.emit('echoed', ...given));
    socket.onAny((event) => void events.push(event));
  });
  server.of('/admin').on('connection', (socket) => {
    socket.on('authenticate', (_token, answer) => answer('the admin namespace’s own'));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.teardown(() => server.close());
  const url = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const upstream = { url } as Upstream;
  const issuer = openIssuer();
  const setup = await openSetup(t, { upstream, issuer });
  const clients: Socket[] = [];
  t.teardown(() => {
    for (const client of clients) client.disconnect();
  });
  return {
    server,
    setup,
    sockets,
    async connect(token, options = {}) {
      const extraHeaders = { authorization: `Bearer ${token}` };
      const client = io(setup.http, { extraHeaders, forceNew: true, reconnection: false, ...options });
      clients.push(client);
      await new Promise<void>((resolve, reject) => client.once('connect', resolve).once('connect_error', reject));
      return client;
    },
  };
}

const events: string[] = [];

t.test('a client connects by polling and upgrades to a websocket, and the server gets its user', async (t) => {
  const { setup, connect, sockets } = await openHall(t);
  const client = await connect(setup.issuer.token({ sid: SID }));
  if (client.io.engine.transport.name !== 'websocket') await next(client.io.engine, 'upgrade');
  t.equal(client.io.engine.transport.name, 'websocket');
  t.equal(await client.emitWithAck('whoami'), setup.issuer.userId);
  const binary = Buffer.from([1, 2, 3]);
  client.emit('echo', { a: 1 }, binary, 'text');
  t.same(await next(client, 'echoed'), [{ a: 1 }, binary, 'text']);
  t.notOk('authorization' in (sockets[0]?.handshake.headers ?? {}));
});

t.test(
  'websocket alone works with the token as a subprotocol, and polling alone works with the token in a header',
  async (t) => {
    const { setup, connect } = await openHall(t);
    const token = setup.issuer.token();
    const browser = await connect('', { extraHeaders: {}, transports: ['websocket'], protocols: [`bearer.${token}`] });
    t.equal(await browser.emitWithAck('whoami'), setup.issuer.userId);
    const neutral = await connect('', {
      extraHeaders: {},
      transports: ['websocket'],
      protocols: ['tenantry', `bearer.${token}`],
    });
    t.equal(await neutral.emitWithAck('whoami'), setup.issuer.userId);
    const polling = await connect(token, { transports: ['polling'] });
    t.equal(await polling.emitWithAck('whoami'), setup.issuer.userId);
  },
);

t.test('without a valid token neither transport connects, and forged headers do not help', async (t) => {
  const { setup, connect, sockets } = await openHall(t);
  const spoofed = { 'x-user-id': 'admin', X_User_ID: 'admin' };
  for (const transport of ['polling', 'websocket'] as const) {
    await t.rejects(connect('nonsense', { transports: [transport] }), transport);
    await t.rejects(connect('', { transports: [transport], extraHeaders: spoofed }), transport);
  }
  t.equal(sockets.length, 0);
  const extraHeaders = { ...spoofed, authorization: `Bearer ${setup.issuer.token()}` };
  const client = await connect('', { transports: ['websocket'], extraHeaders });
  t.equal(await client.emitWithAck('whoami'), setup.issuer.userId);
});

t.test(
  'the event "authenticate" renews the socket, with or without an acknowledgement, and is not forwarded',
  async (t) => {
    const { setup, connect } = await openHall(t);
    const { issuer } = setup;
    const client = await connect(issuer.token({}, { life: 60 }), { transports: ['websocket'] });
    events.length = 0;
    issuer.advance(50);
    const expiresAt = new Date(Math.floor(issuer.now() / 1000) * 1000 + 60_000).toISOString();
    const answer = await client.emitWithAck('authenticate', { token: issuer.token({}, { life: 60 }) });
    t.same(answer, { event: 'authenticated', data: { expiresAt } });
    issuer.advance(50);
    const told = next(client, 'authenticated');
    client.emit('authenticate', { token: issuer.token({}, { life: 60 }) });
    t.match(await told, [{ expiresAt: /Z$/ }]);
    issuer.advance(50);
    t.equal(await client.emitWithAck('whoami'), issuer.userId);
    const refused = next(client, 'error');
    client.emit('authenticate', { token: 'nonsense' });
    t.same(await refused, [{ code: 'invalid_token' }]);
    t.same(await client.emitWithAck('authenticate', {}), { event: 'error', data: { code: 'malformed_frame' } });
    t.same(events, ['whoami'], 'the server received no renewal event');
    const gone = next(client, 'disconnect');
    issuer.advance(10);
    t.equal((await gone)[0], 'transport close');
  },
);

t.test('"authenticate" in other namespaces, and events with other names, go to the server', async (t) => {
  const { setup, connect } = await openHall(t);
  const client = await connect(setup.issuer.token(), { transports: ['websocket'] });
  const admin = client.io.socket('/admin');
  if (!admin.connected) await next(admin.connect(), 'connect');
  t.equal(await admin.emitWithAck('authenticate', { token: 'x' }), 'the admin namespace’s own');
  client.emit('echo', 'authenticate', { token: 'x' });
  t.same(await next(client, 'echoed'), ['authenticate', { token: 'x' }]);
});

t.test('the answer to a renewal is never sent between a message and its binary parts', async (t) => {
  const { setup, connect, sockets } = await openHall(t);
  const { issuer } = setup;
  const client = await connect(issuer.token({}, { life: 60 }), { transports: ['websocket'] });
  const received: number[] = [];
  client.on('parts', (...parts: Buffer[]) => received.push(parts.length));
  let answered = 0;
  client.on('authenticated', () => {
    answered += 1;
  });
  const [server] = sockets;
  for (let round = 0; round < 8; round += 1) {
    client.emit('authenticate', { token: issuer.token() });
    for (let count = 0; count < 40; count += 1)
      server?.emit('parts', Buffer.alloc(70_000), Buffer.alloc(3), Buffer.alloc(0));
    await client.emitWithAck('whoami');
  }
  while (received.length < 320 || answered < 8) await next(client.io.engine, 'packet');
  t.same([...new Set(received)], [3]);
  t.equal(client.connected, true);
});

t.test('a revocation closes the user’s sockets and refuses the next polling request', async (t) => {
  const { setup, connect } = await openHall(t);
  const { issuer } = setup;
  const token = issuer.token({ sid: SID });
  const socket = await connect(token, { transports: ['websocket'] });
  const polling = await connect(token, { transports: ['polling'] });
  const gone = [next(socket, 'disconnect'), next(polling, 'disconnect')];
  let code = 0;
  const engine = socket.io.engine.transport as unknown as { ws: { addEventListener(...args: unknown[]): void } };
  engine.ws.addEventListener('close', (event: { code: number }) => {
    code = event.code;
  });
  issuer.revoke({ kind: 'session', sid: SID });
  await Promise.all(gone);
  t.equal(code, 4401);
});
