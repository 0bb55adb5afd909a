// Messages, close codes and handshakes of sockets that pass through the sidecar.
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { openIssuer } from '../../support/issuer.ts';
import { openSetup, openUpstream, refusal } from '../open.ts';

t.test('text, binary, empty and fragmented messages are passed on unchanged in both directions', async (t) => {
  const { open } = await openSetup(t);
  const client = await open('/chat?room=1');
  const sent = ['hello', 'ünïcode 🙂', '', Buffer.from([0, 1, 2, 255]), Buffer.alloc(0), 'x'.repeat(100_000)];
  for (const message of sent) {
    client.socket.send(message);
    t.same(await client.message(), message);
  }
  client.socket.send('in ', { fin: false });
  client.socket.send('three ', { fin: false });
  client.socket.send('parts', { fin: true });
  t.equal(await client.message(), 'in three parts');
});

t.test('no message is lost or reordered, in both directions at the same time', async (t) => {
  const { open } = await openSetup(t);
  const client = await open();
  const count = 5_000;
  for (let index = 0; index < count; index += 1) client.socket.send(`${index} ${'x'.repeat(index % 300)}`);
  for (let index = 0; index < count; index += 1) {
    const text = await client.message();
    if (!String(text).startsWith(`${index} `)) t.fail(`message ${index} is ${text}`);
  }
  t.equal(client.messages.length, count);
});

t.test(
  'the upstream’s first messages reach the client, and the client’s last messages reach the upstream',
  async (t) => {
    const upstream = await openUpstream(t, { echo: false });
    const { open } = await openSetup(t, { upstream });
    const accepting = upstream.next();
    const heard: string[] = [];
    void accepting.then(({ socket }) => {
      socket.send('first');
      socket.on('message', (data) => heard.push(data.toString()));
    });
    const client = await open();
    t.equal(await client.message(), 'first');
    const { socket } = await accepting;
    client.socket.send('last');
    client.socket.close();
    await once(socket, 'close');
    t.same(heard, ['last']);
  },
);

t.test('messages sent together with the upstream’s handshake are never lost, also with many clients', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  upstream.sockets.on('connection', (socket, { url }) => {
    socket.send(`hello ${url}`); // sent together with the 101 answer
    socket.send('and welcome');
  });
  const { open } = await openSetup(t, { upstream });
  for (let round = 0; round < 10; round += 1) {
    const greeted = Array.from({ length: 30 }, async (_, index) => {
      const client = await open(`/${round}/${index}`);
      const heard = [await client.message(), await client.message()];
      client.socket.terminate();
      return heard;
    });
    const expected = greeted.map((_, index) => [`hello /${round}/${index}`, 'and welcome']);
    t.strictSame(await Promise.all(greeted), expected);
  }
});

t.test(
  'close codes and reasons are passed on in both directions, and a code that must not be sent is replaced',
  async (t) => {
    const { open, upstream } = await openSetup(t, { upstreamOptions: { echo: false } });
    for (const [code, reason] of [
      [1000, 'done'],
      [1001, ''],
      [3000, 'registered'],
      [4999, 'own ünï'],
    ] as const) {
      let accepting = upstream.next();
      const leaving = await open();
      leaving.socket.close(code, reason);
      const [seen, why] = await once((await accepting).socket, 'close');
      t.same([seen, String(why)], [code, reason], `${code} of the client`);
      accepting = upstream.next();
      const left = await open();
      (await accepting).socket.close(code, reason);
      t.same(await left.closed, { code, reason }, `${code} of the upstream`);
    }
    let accepting = upstream.next();
    const silent = await open();
    silent.socket.close();
    t.equal((await once((await accepting).socket, 'close'))[0], 1005, 'a close without a code stays without a code');
    accepting = upstream.next();
    const cut = await open();
    cut.socket.terminate();
    const [lost, why] = await once((await accepting).socket, 'close');
    t.same([lost, String(why)], [1001, 'client_lost']);
    accepting = upstream.next();
    const orphan = await open();
    (await accepting).socket.terminate();
    t.same(await orphan.closed, { code: 1014, reason: 'upstream_lost' });
  },
);

t.test('a message beyond the size limit closes the socket with 1009, whichever side sent it', async (t) => {
  const { open, upstream } = await openSetup(t, {
    settings: { messageBytesMax: 1000 },
    upstreamOptions: { echo: false },
  });
  let accepting = upstream.next();
  const client = await open();
  const told = once((await accepting).socket, 'close');
  client.socket.send('x'.repeat(1001));
  t.equal((await client.closed).code, 1009);
  t.same((await told).map(String), ['1009', 'message_too_big']);
  accepting = upstream.next();
  const other = await open();
  (await accepting).socket.send('x'.repeat(1001));
  t.same(await other.closed, { code: 1009, reason: 'message_too_big' });
});

t.test('frames that violate the protocol end the socket and are not passed on', async (t) => {
  const { open, upstream } = await openSetup(t, { upstreamOptions: { echo: false } });
  const accepting = upstream.next();
  const client = await open();
  const { socket } = await accepting;
  let heard = 0;
  socket.on('message', () => {
    heard += 1;
  });
  // @ts-expect-error uses the private TCP socket of ws, because no library sends a text frame with invalid UTF-8
  client.socket._socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff]));
  t.equal((await client.closed).code, 1007);
  await once(socket, 'close');
  t.equal(heard, 0);
});

t.test('the subprotocol that the upstream selects is selected, and no subprotocol if it selects none', async (t) => {
  const protocol = (offered: Set<string>) => (offered.has('v2') ? 'v2' : false);
  const { open, upstream } = await openSetup(t, { upstreamOptions: { protocol } });
  const client = await open('/', undefined, {}, ['v1', 'v2']);
  t.equal(client.socket.protocol, 'v2');
  t.equal(upstream.requests[0]?.headers['sec-websocket-protocol'], 'v1, v2');
  // Like a browser, `ws` fails if it offers subprotocols and the answer selects none. So the answer selected none.
  await t.rejects(open('/', undefined, {}, ['v1']), /Server sent no subprotocol/);
});

t.test('compression is never offered', async (t) => {
  const { open, upstream } = await openSetup(t);
  const client = await open();
  t.equal(client.socket.extensions, '');
  t.notOk('sec-websocket-extensions' in (upstream.requests[0]?.headers ?? {}));
});

t.test('headers of the answer that opens the upstream socket reach the client', async (t) => {
  const upstream = await openUpstream(t);
  upstream.sockets.on('headers', (lines) => lines.push('Set-Cookie: a=1', 'Set-Cookie: b=2', 'Keep-Alive: x'));
  const { open } = await openSetup(t, { upstream });
  const seen = new Promise<string[]>((resolve) => {
    void open('/', undefined, {
      finishRequest(request) {
        request.on('upgrade', ({ headers }) =>
          resolve([...(headers['set-cookie'] ?? []), String(headers['keep-alive'])]),
        );
        request.end();
      },
    });
  });
  t.same(await seen, ['a=1', 'b=2', 'undefined'], 'headers about the connection are not passed on');
});

t.test('if the upstream refuses a handshake, the client gets the answer of the upstream', async (t) => {
  const issuer = openIssuer();
  const upstream = await openUpstream(t);
  upstream.server.removeAllListeners('upgrade');
  upstream.server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 404 Nowhere\r\nX-Own: 1\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnothing');
  });
  const { open, sidecar } = await openSetup(t, { issuer, upstream });
  const reply = await refusal(open());
  t.match(reply, { status: 404, text: 'nothing', headers: { 'x-own': '1', connection: 'close' } });
  t.match(await refusal(open()), { status: 404 }, 'again');
  t.equal(sidecar.state().sockets, 0, 'no slot stays in use');
});

t.test('a handshake gets 502 from an unreachable upstream and 504 from a silent one, and frees its slot', async (t) => {
  const closed = createServer();
  closed.listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as { port: number };
  closed.close();
  await once(closed, 'close');
  const upstream = await openUpstream(t);
  const away = await openSetup(t, { upstream: { ...upstream, url: new URL(`http://127.0.0.1:${port}`) } });
  const unavailable = await refusal(away.open());
  t.match(unavailable, { status: 502, code: 'upstream_unavailable' });
  t.match(unavailable.headers['content-type'], /^application\/problem\+json/);
  t.equal(away.sidecar.state().sockets, 0);

  upstream.server.removeAllListeners('upgrade');
  upstream.server.on('upgrade', (_request, socket) => void socket.on('error', () => {}));
  const mute = await openSetup(t, { upstream, settings: { handshakeSeconds: 0.2 } });
  t.match(await refusal(mute.open()), { status: 504, code: 'upstream_timeout' });
  t.equal(mute.sidecar.state().sockets, 0);
});

t.test('an invalid handshake answer of the upstream is refused', async (t) => {
  for (const answer of [
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n',
    'garbage\r\n\r\n',
    '',
  ]) {
    const upstream = await openUpstream(t);
    upstream.server.removeAllListeners('upgrade');
    upstream.server.on('upgrade', (_request, socket) => void socket.end(answer));
    const { open, sidecar } = await openSetup(t, { upstream });
    t.match(await refusal(open()), { status: 502, code: 'upstream_unavailable' }, JSON.stringify(answer.slice(0, 60)));
    t.equal(sidecar.state().sockets, 0);
  }
});

t.test('a client that disconnects during the handshake frees its slot and the upstream connection', async (t) => {
  const upstream = await openUpstream(t);
  upstream.server.removeAllListeners('upgrade');
  const asked = once(upstream.server, 'upgrade');
  const { open, sidecar } = await openSetup(t, { upstream, settings: { handshakeSeconds: 100 } });
  const opening = open('/', undefined, {
    finishRequest(request) {
      request.end();
      void asked.then(() => request.destroy());
    },
  });
  opening.catch(() => {});
  const [, socket] = await asked;
  socket.resume();
  await Promise.all([once(socket, 'end'), t.rejects(opening)]);
  socket.destroy();
  t.equal(sidecar.state().sockets, 0);
});

t.test('a peer that answers no heartbeat is disconnected, and a peer that answers stays connected', async (t) => {
  const { open, upstream } = await openSetup(t, {
    settings: { pingSeconds: 0.3 },
    upstreamOptions: { echo: false },
  });
  const alive = await open();
  const pings = [once(alive.socket, 'ping'), once(alive.socket, 'ping').then(() => once(alive.socket, 'ping'))];
  const accepting = upstream.next();
  const dead = await open('/', undefined, { autoPong: false });
  const [code] = await once((await accepting).socket, 'close');
  t.equal(code, 1001, 'the upstream is informed');
  t.equal((await dead.closed).code, 1006);
  await Promise.all(pings);
  t.equal(alive.socket.readyState, alive.socket.OPEN);
});
