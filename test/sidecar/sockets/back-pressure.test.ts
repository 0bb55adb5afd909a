// Peers that read slowly or not at all: memory has a limit, a slow peer loses no message, and a stuck peer is
// disconnected.
// Runs in a process of its own: it measures memory.
import { once } from 'node:events';
import t from 'tap';
import type { WebSocket } from 'ws';
import { until } from '../../support/until.ts';
import { type Client, openSetup, openUpstream, type Upstream } from '../open.ts';

const CHUNK = Buffer.alloc(64 * 1024, 'x');
const MUCH = 64 * 1024 * 1024;
const MEGABYTE = 1024 * 1024;

const STALL_MS = 300;
/** How long a send may stall in a test that expects a disconnect. The time is long enough to send enough messages. */
const UNTIL_ENDED_MS = 5_000;

/**
 * Sends messages until one is not accepted within `stallMs`, or `bytes` are sent. Returns the number of accepted
 * bytes.
 */
async function pour(socket: WebSocket, bytes: number, stallMs = STALL_MS): Promise<number> {
  let written = 0;
  for (let sent = 0; sent < bytes; sent += CHUNK.length) {
    const done = new Promise<boolean>((resolve) => socket.send(CHUNK, (error) => resolve(!error)));
    const stalled = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), stallMs));
    if (!(await Promise.race([done, stalled]))) break;
    written += CHUNK.length;
  }
  return written;
}

async function pair(open: () => Promise<Client>, upstream: Upstream): Promise<{ client: Client; server: WebSocket }> {
  const accepting = upstream.next();
  const client = await open();
  return { client, server: (await accepting).socket };
}

t.test('a client that reads nothing stops its upstream, and all messages arrive once it reads again', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open } = await openSetup(t, { upstream });
  const { client, server } = await pair(open, upstream);
  client.socket.pause();
  const before = process.memoryUsage.rss();
  const taken = await pour(server, MUCH);
  t.ok(taken < MUCH / 2, `${taken} bytes were accepted before the sender was stopped`);
  t.ok(process.memoryUsage.rss() - before < 48 * MEGABYTE, 'memory did not grow with the sent bytes');
  let heard = 0;
  const all = new Promise<void>((resolve) => {
    client.socket.on('message', (data) => {
      heard += (data as Buffer).length;
      if ((data as Buffer).toString() === 'end') resolve();
    });
  });
  client.socket.resume();
  server.send('end');
  await all;
  t.equal((heard - 3) % CHUNK.length, 0);
  t.ok(heard - 3 >= taken, 'no message was lost');
});

t.test('an upstream that reads nothing stops its client, and all messages arrive once it reads again', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open } = await openSetup(t, { upstream });
  const { client, server } = await pair(open, upstream);
  server.pause();
  const before = process.memoryUsage.rss();
  const taken = await pour(client.socket, MUCH);
  t.ok(taken < MUCH / 2, `${taken} bytes were accepted before the sender was stopped`);
  t.ok(process.memoryUsage.rss() - before < 48 * MEGABYTE, 'memory did not grow with the sent bytes');
  let heard = 0;
  server.on('message', (data) => {
    heard += (data as Buffer).length;
  });
  client.socket.close(1000);
  server.resume();
  await once(server, 'close');
  t.ok(heard >= taken, 'no message was lost, and the last one arrived last');
});

t.test('a stuck client is disconnected with 1013 after the time limit, and its upstream is informed', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open, sidecar } = await openSetup(t, { upstream, settings: { slowSeconds: 0.3 } });
  const { client, server } = await pair(open, upstream);
  client.socket.pause();
  const told = once(server, 'close');
  await pour(server, MUCH, UNTIL_ENDED_MS);
  t.same((await told).map(String), ['1013', 'client_slow']);
  client.socket.resume();
  const { code } = await client.closed;
  t.ok(code === 1013 || code === 1006, `the client saw ${code}`);
  await until(() => sidecar.state().sockets === 0);
});

t.test('a stuck upstream is disconnected, and its client gets 1013', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open } = await openSetup(t, { upstream, settings: { slowSeconds: 0.3 } });
  const { client, server } = await pair(open, upstream);
  server.pause();
  await pour(client.socket, MUCH, UNTIL_ENDED_MS);
  t.same(await client.closed, { code: 1013, reason: 'upstream_slow' });
});

t.test('a slow client that continues to read keeps its socket past the time limit for stuck clients', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open } = await openSetup(t, { upstream, settings: { slowSeconds: 3 } });
  const { client, server } = await pair(open, upstream);
  const rest = 12 * MEGABYTE;
  let heard = 0;
  client.socket.on('message', (data) => {
    heard += (data as Buffer).length;
    client.socket.pause();
    setTimeout(() => client.socket.resume(), 20); // 192 messages take about four seconds
  });
  for (let sent = 0; sent < rest; sent += CHUNK.length) server.send(CHUNK);
  server.close(1000, 'all');
  t.same(await client.closed, { code: 1000, reason: 'all' });
  t.equal(heard, rest);
});

t.test('a client that reads nothing is disconnected soon after its token is revoked', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open, issuer, sidecar } = await openSetup(t, { upstream });
  const { client, server } = await pair(open, upstream);
  client.socket.pause();
  await pour(server, MUCH);
  issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 2 });
  const [code] = await once(server, 'close');
  t.equal(code, 4401);
  await until(() => sidecar.state().sockets === 0);
  client.socket.terminate();
});

t.test('heartbeats do not disconnect a slow peer', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open } = await openSetup(t, { upstream, settings: { pingSeconds: 0.1 } });
  const { client, server } = await pair(open, upstream);
  client.socket.pause();
  await pour(server, MUCH);
  await new Promise((resolve) => setTimeout(resolve, 400));
  client.socket.resume();
  server.send('end');
  while (client.messages.at(-1)?.toString() !== 'end') await client.message();
  t.equal(client.socket.readyState, client.socket.OPEN);
});
