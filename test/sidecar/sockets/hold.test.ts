// After a pause of the sidecar's process, messages wait in both directions until it is known which sessions were ended
// during the pause.
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import type { SidecarOptions } from '../../../src/sidecar/core/sidecar.ts';
import { until } from '../../support/until.ts';
import { type Client, openClient, openSetup, openUpstream } from '../open.ts';
import { createPausingSource } from '../pausing.ts';

const ENDED = '0196f0aa-0000-7000-8000-000000000001';
const KEPT = '0196f0aa-0000-7000-8000-000000000002';
const CHUNK = Buffer.alloc(64 * 1024, 'x');
const LONG_ENOUGH_TO_PASS_MS = 100;

async function begin(t: Test, settings: Partial<SidecarOptions> = {}) {
  const upstream = await openUpstream(t, { echo: false });
  const feed = createPausingSource();
  const setup = await openSetup(t, { upstream, settings, verifier: { revocations: feed.source } });
  async function pair(sid: string) {
    const accepting = upstream.next();
    const client = await setup.open('/', setup.issuer.token({ sid }));
    return { client, ...listen((await accepting).socket) };
  }
  return { ...setup, upstream, feed, pair };
}

/** Records what the upstream gets on a socket. */
function listen(server: WebSocket) {
  const heard: string[] = [];
  server.on('message', (data) => heard.push(data.toString()));
  const closed = once(server, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
  return { server, heard, closed };
}

const pass = () => new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_TO_PASS_MS));

t.test('messages wait; then those of an ended session are dropped, and the others pass in their order', async (t) => {
  const { feed, pair } = await begin(t);
  const [ended, kept] = [await pair(ENDED), await pair(KEPT)];
  feed.resume();
  for (const { client, server } of [ended, kept]) {
    for (const text of ['1', '2', '3']) {
      client.socket.send(text);
      server.send(text);
    }
  }
  await pass();
  t.same([ended.heard, ended.client.messages, kept.heard, kept.client.messages], [[], [], [], []]);
  kept.client.socket.send('4');
  feed.catchUp({ kind: 'session', sid: ENDED });
  kept.client.socket.send('5');
  kept.server.send('4');
  t.same(await ended.client.closed, { code: 4401, reason: 'session_revoked' });
  t.same(await ended.closed, { code: 4401, reason: 'session_revoked' });
  await until(() => kept.heard.length === 5 && kept.client.messages.length === 4);
  t.same(kept.heard, ['1', '2', '3', '4', '5']);
  t.same(kept.client.messages, ['1', '2', '3', '4']);
  t.same([ended.heard, ended.client.messages], [[], []]);
});

t.test('a socket whose token expires while messages wait is closed before the first of them passes', async (t) => {
  const { feed, pair, issuer } = await begin(t);
  const { client, heard } = await pair(KEPT);
  feed.resume();
  client.socket.send('late');
  await pass();
  issuer.advance(901);
  feed.catchUp();
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
  t.same(heard, []);
});

t.test('if the revocations cannot be read, sockets with messages that wait are closed with 1013', async (t) => {
  const { feed, pair, sidecar } = await begin(t, { holdSeconds: 0.2 });
  const [sends, gets, idle] = [await pair(KEPT), await pair(KEPT), await pair(KEPT)];
  feed.resume();
  sends.client.socket.send('never');
  gets.server.send('never');
  for (const { client, closed } of [sends, gets]) {
    t.same(await client.closed, { code: 1013, reason: 'revocations_stale' });
    t.same(await closed, { code: 1013, reason: 'revocations_stale' });
  }
  await until(() => sidecar.state().sockets === 1); // the socket without messages stays
  feed.catchUp();
  idle.client.socket.send('now');
  await until(() => idle.heard.length === 1);
  t.same([sends.heard, gets.client.messages], [[], []]);
});

/** Sends until the socket accepts no more data. Returns the number of accepted bytes. */
async function pour(socket: WebSocket): Promise<number> {
  let taken = 0;
  for (let sent = 0; sent < 64 * 1024 * 1024; sent += CHUNK.length) {
    const done = new Promise<boolean>((resolve) => socket.send(CHUNK, (error) => resolve(!error)));
    if (!(await Promise.race([done, pass().then(() => false)]))) break;
    taken += CHUNK.length;
  }
  return taken;
}

t.test('the sender is stopped while its messages wait, and heartbeats do not disconnect it', async (t) => {
  const { feed, pair } = await begin(t, { pingSeconds: 0.1 });
  const { client, server } = await pair(KEPT);
  for (const [from, to] of [
    [client.socket, server],
    [server, client.socket],
  ] as const) {
    feed.resume();
    const taken = await pour(from);
    t.ok(taken < 32 * 1024 * 1024, `${taken} bytes were taken`);
    await new Promise((resolve) => setTimeout(resolve, 400));
    let bytes = 0;
    to.on('message', (data) => {
      bytes += (data as Buffer).length;
    });
    feed.catchUp();
    from.send('end');
    await until(() => bytes % CHUNK.length === 3);
    t.ok(bytes >= taken + 3, 'no message was lost');
  }
  t.equal(client.socket.readyState, WebSocket.OPEN);
});

t.test('a side that closes while its messages wait loses none of them', async (t) => {
  const { feed, pair } = await begin(t);
  const [left, gone, revoked] = [await pair(KEPT), await pair(KEPT), await pair(ENDED)];
  feed.resume();
  left.client.socket.send('last');
  left.client.socket.close(1000, 'bye');
  gone.server.send('last');
  gone.server.close(1000, 'done');
  revoked.client.socket.send('last');
  revoked.client.socket.close(1000, 'bye');
  await pass();
  t.same([left.heard, gone.client.messages], [[], []]);
  feed.catchUp({ kind: 'session', sid: ENDED });
  t.same(await left.closed, { code: 1000, reason: 'bye' });
  t.same(left.heard, ['last']);
  t.same(await gone.client.closed, { code: 1000, reason: 'done' });
  t.same(gone.client.messages, ['last']);
  t.same(await revoked.closed, { code: 4401, reason: 'session_revoked' });
  t.same(revoked.heard, []);
});

t.test('both sides may close while messages wait: the slot is freed', async (t) => {
  const { feed, pair, sidecar, lines } = await begin(t);
  const { client, server } = await pair(KEPT);
  feed.resume();
  client.socket.send('last');
  await pass();
  client.socket.terminate();
  server.terminate();
  await pass();
  feed.catchUp();
  await until(() => sidecar.state().sockets === 0);
  t.equal(lines.filter(({ message }) => message === 'socket closed').length, 1);
});

t.test('messages that follow a first message wait too', async (t) => {
  const { feed, upstream, ws, issuer } = await begin(t, { firstMessage: true });
  const accepting = upstream.next();
  const client: Client = await openClient(ws, [], {});
  upstream.server.prependOnceListener('upgrade', () => feed.resume());
  client.socket.send(JSON.stringify({ event: 'authenticate', data: { token: issuer.token({ sid: KEPT }) } }));
  client.socket.send('1');
  const { heard } = listen((await accepting).socket);
  client.socket.send('2');
  await pass();
  client.socket.send('3');
  t.same(heard, []);
  feed.catchUp();
  await until(() => heard.length === 3);
  t.same(heard, ['1', '2', '3']);
});
