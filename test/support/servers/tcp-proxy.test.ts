// Tests the proxy that other tests use to cut and stall connections.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { openTcpProxy, type TcpProxy } from './tcp-proxy.ts';

interface Echo {
  readonly port: number;
  /** The data that the server has received, over all connections. */
  heard: string;
  readonly sockets: Set<Socket>;
  close(): void;
}

/** Starts a server that sends back all received data, and closes a connection when its client does. */
async function startEcho(t: Test): Promise<Echo> {
  const server = createServer((socket) => {
    echo.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => echo.sockets.delete(socket));
    socket.on('data', (chunk) => {
      echo.heard += chunk;
    });
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    for (const socket of echo.sockets) socket.destroy();
  };
  t.teardown(close);
  const echo: Echo = { port: (server.address() as AddressInfo).port, heard: '', sockets: new Set(), close };
  return echo;
}

/** Resolves when a socket has closed, with or without an error. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Opens a client that keeps the received data. */
class Caller {
  readonly socket: Socket;
  heard = '';
  #bytes = 0;

  constructor(t: Test, { port }: TcpProxy) {
    this.socket = connect(port, '127.0.0.1').on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.heard += chunk;
      this.#bytes += chunk.length;
    });
    t.teardown(() => this.socket.destroy());
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async hears(text: string): Promise<void> {
    while (!this.heard.endsWith(text)) await once(this.socket, 'data');
  }

  async hearsBytes(count: number): Promise<void> {
    while (this.#bytes < count) await once(this.socket, 'data');
  }
}

t.test('a proxy forwards all data in order, and forwards the end of a connection', async (t) => {
  const proxy = await openTcpProxy(t, (await startEcho(t)).port);
  const connected = proxy.connected();
  const caller = new Caller(t, proxy);
  await connected;
  t.equal(proxy.connections, 1);
  const size = 5_000_000;
  caller.socket.end(Buffer.alloc(size, 'x'));
  await caller.hearsBytes(size);
  await closeOf(caller.socket);
  t.equal(caller.socket.errored, null, 'its end comes after all that was answered');
});

t.test('cut() resets open and new connections until pass() is called', async (t) => {
  const echo = await startEcho(t);
  const proxy = await openTcpProxy(t, echo.port);
  const caller = new Caller(t, proxy).send('a');
  await caller.hears('a');
  const [there] = echo.sockets;
  const heardThere = there && closeOf(there);
  proxy.cut();
  await closeOf(caller.socket);
  t.match(caller.socket.errored, { code: 'ECONNRESET' });
  await heardThere;
  t.equal(proxy.connections, 0);

  const late = new Caller(t, proxy).send('b');
  await closeOf(late.socket);
  t.equal(late.heard, '');
  proxy.pass();
  await new Caller(t, proxy).send('c').hears('c');
  t.equal(echo.heard, 'ac', 'data that was sent during the cut is lost');
});

t.test('hold() keeps connections open, and pass() delivers all data that was sent during the hold', async (t) => {
  const echo = await startEcho(t);
  const proxy = await openTcpProxy(t, echo.port);
  const caller = new Caller(t, proxy).send('a');
  await caller.hears('a');
  proxy.hold();
  caller.send('b');
  const accepted = proxy.connected();
  const late = new Caller(t, proxy).send('c');
  await accepted;
  // A round trip through another proxy to the same server takes enough time for stalled bytes to arrive, if they could.
  const beside = await openTcpProxy(t, echo.port);
  await new Caller(t, beside).send('d').hears('d');
  t.equal(echo.heard, 'ad');
  t.same([caller.heard, late.heard], ['a', '']);
  t.equal(caller.socket.destroyed, false);
  proxy.pass();
  await caller.hears('ab');
  await late.hears('c');
});

t.test('the server still receives requests while only its answers are held', async (t) => {
  const echo = await startEcho(t);
  const proxy = await openTcpProxy(t, echo.port);
  const caller = new Caller(t, proxy).send('a');
  await caller.hears('a');
  const [there] = echo.sockets;
  proxy.hold('answers');
  caller.send('b');
  if (there) await once(there, 'data');
  t.equal(echo.heard, 'ab');
  const beside = await openTcpProxy(t, echo.port);
  await new Caller(t, beside).send('d').hears('d');
  t.equal(caller.heard, 'a');
  proxy.pass();
  await caller.hears('ab');
});

t.test('a connection that was closed during a hold is closed after the hold, and cut() ends a hold', async (t) => {
  const echo = await startEcho(t);
  const proxy = await openTcpProxy(t, echo.port);
  const caller = new Caller(t, proxy).send('a');
  await caller.hears('a');
  const [there] = echo.sockets;
  const closed = there && closeOf(there);
  proxy.hold();
  caller.send('b');
  caller.socket.end();
  proxy.pass();
  await closed;
  t.equal(echo.heard, 'ab', 'the data that was sent earlier arrives');
  const other = new Caller(t, proxy).send('c');
  await other.hears('c');
  proxy.hold();
  proxy.cut();
  await closeOf(other.socket);
  t.equal(proxy.connections, 0);
});

t.test('a client notices at once that the server has ended', async (t) => {
  const echo = await startEcho(t);
  const proxy = await openTcpProxy(t, echo.port);
  const caller = new Caller(t, proxy).send('a');
  await caller.hears('a');
  const closed = closeOf(caller.socket);
  echo.close();
  await closed;
  const late = new Caller(t, proxy);
  await closeOf(late.socket);
  t.equal(proxy.connections, 0);
  await proxy.close();
  await proxy.close();
});
