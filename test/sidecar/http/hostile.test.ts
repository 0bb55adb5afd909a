// Bytes that no client library sends. No request reaches the upstream without a token, and no input ends the process.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream, type Setup } from '../open.ts';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const UPGRADE = ['Host: a.test', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13', KEY];

function connectTo({ sidecar }: Setup): Socket {
  const socket = connect(sidecar.address.port, '127.0.0.1');
  socket.on('error', () => {});
  return socket;
}

const SILENCE_MS = 10_000;
const SILENCE_AFTER_ANSWER_MS = 150;

/** Returns all received bytes, once the connection has ended or has been silent after an answer. */
async function talk(setup: Setup, bytes: string | Buffer): Promise<string> {
  const socket = connectTo(setup);
  const chunks: Buffer[] = [];
  // Waits for two silent timeouts in a row, because after a pause of the machine the first one fires before received
  // bytes are read.
  let silences = 0;
  socket.setTimeout(SILENCE_MS);
  socket.on('timeout', () => {
    silences += 1;
    if (silences > 1 || chunks.length === 0) socket.destroy();
    else socket.setTimeout(SILENCE_AFTER_ANSWER_MS);
  });
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    silences = 0;
    socket.setTimeout(SILENCE_AFTER_ANSWER_MS);
  });
  socket.write(bytes, 'latin1');
  const ended = once(socket, 'close');
  await ended;
  return Buffer.concat(chunks).toString('latin1');
}

const lines = (...all: string[]) => `${all.join('\r\n')}\r\n\r\n`;
const statusesOf = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

t.test('an ambiguous request is refused, even with a valid token', async (t) => {
  const setup = await openSetup(t);
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const hidden = lines('GET /hidden HTTP/1.1', 'Host: a.test', auth);
  const cases: [string, string][] = [
    [
      'a content length and a transfer coding',
      lines('POST / HTTP/1.1', 'Host: a', auth, 'Content-Length: 5', 'Transfer-Encoding: chunked') +
        `0\r\n\r\n${hidden}`,
    ],
    [
      'a transfer coding and a content length',
      lines('POST / HTTP/1.1', 'Host: a', auth, 'Transfer-Encoding: chunked', 'Content-Length: 5') +
        `0\r\n\r\n${hidden}`,
    ],
    ['two lengths', lines('POST / HTTP/1.1', 'Host: a', auth, 'Content-Length: 0', 'Content-Length: 60') + hidden],
    ['a signed length', lines('POST / HTTP/1.1', 'Host: a', auth, 'Content-Length: +5') + hidden],
    ['another coding', `${lines('POST / HTTP/1.1', 'Host: a', auth, 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`],
    ['a coding in HTTP/1.0', `${lines('POST / HTTP/1.0', 'Host: a', auth, 'Transfer-Encoding: chunked')}0\r\n\r\n`],
    ['a hidden coding', lines('POST / HTTP/1.1', 'Host: a', auth, 'Transfer-Encoding: xchunked') + hidden],
    [
      'a coding twice',
      lines('POST / HTTP/1.1', 'Host: a', auth, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') +
        '0\r\n\r\n',
    ],
    ['a space before the colon', lines('GET / HTTP/1.1', 'Host: a', auth, 'Content-Length : 5') + hidden],
    ['a folded line', lines('GET / HTTP/1.1', 'Host: a', auth, 'X-A: b\r\n X-User-ID: c')],
    ['a bare line feed', `GET / HTTP/1.1\nHost: a\n${auth}\n\n`],
    ['a NUL', lines('GET / HTTP/1.1', 'Host: a', auth, 'X-A: b\0c')],
    ['a bare return', lines('GET / HTTP/1.1', 'Host: a', auth, 'X-A: b\rX-User-ID: c')],
    ['two hosts', lines('GET / HTTP/1.1', 'Host: a', 'Host: b', auth)],
    ['no host', lines('GET / HTTP/1.1', auth)],
    ['a list of hosts', lines('GET / HTTP/1.1', 'Host: a, b', auth)],
    ['a path in the host', lines('GET / HTTP/1.1', 'Host: a/b@c', auth)],
    ['an absolute target', lines('GET http://evil.test/x HTTP/1.1', 'Host: a', auth)],
    ['an authority as target', lines('GET evil.test:80 HTTP/1.1', 'Host: a', auth)],
    ['a star', lines('OPTIONS * HTTP/1.1', 'Host: a', auth)],
    ['a fragment', lines('GET /a#b HTTP/1.1', 'Host: a', auth)],
    ['a backslash', lines('GET /a\\..\\b HTTP/1.1', 'Host: a', auth)],
    ['a raw byte', lines('GET /\xff HTTP/1.1', 'Host: a', auth)],
    ['another version', lines('GET / HTTP/2.7', 'Host: a', auth)],
    ['nonsense', 'nonsense\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ];
  for (const [name, bytes] of cases) {
    const statuses = statusesOf(await talk(setup, bytes));
    t.ok(statuses.length === 1 && statuses[0] === 400, `${name}: ${statuses}`);
  }
  t.equal(setup.upstream.requests.length, 0);
});

t.test('TRACE and CONNECT are refused, and so are too many headers and headers that are too large', async (t) => {
  const setup = await openSetup(t);
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const many = Array.from({ length: 120 }, (_, index) => `X-${index}: 1`);
  for (const [bytes, status] of [
    [lines('TRACE / HTTP/1.1', 'Host: a', auth), 405],
    [lines('CONNECT evil.test:443 HTTP/1.1', 'Host: a', auth), 405],
    [lines('GET / HTTP/1.1', 'Host: a', auth, ...many), 431],
    [lines('GET / HTTP/1.1', 'Host: a', auth, `X-A: ${'x'.repeat(70_000)}`), 431],
    [lines('GET / HTTP/1.1', ...UPGRADE, auth, ...many), 431],
  ] as const) {
    t.same(statusesOf(await talk(setup, bytes)), [status]);
  }
  t.equal(setup.upstream.requests.length, 0);
});

t.test('an upgrade to a protocol other than websocket is refused and does not reach the upstream', async (t) => {
  const setup = await openSetup(t);
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const but = (name: string, ...instead: string[]) => [...UPGRADE.filter((line) => !line.startsWith(name)), ...instead];
  const hidden = lines('GET /hidden HTTP/1.1', 'Host: a.test', 'X-User-ID: admin');
  const cases: [string, number][] = [
    [lines('GET / HTTP/1.1', ...but('Upgrade', 'Upgrade: h2c'), auth), 400],
    [lines('GET / HTTP/1.1', ...but('Upgrade', 'Upgrade: websocket, h2c'), auth), 400],
    [lines('GET / HTTP/1.1', ...but('Upgrade', 'Upgrade: websocket', 'Upgrade: h2c'), auth), 400],
    [lines('POST / HTTP/1.1', ...UPGRADE, auth), 400],
    [lines('GET / HTTP/1.1', ...but('Sec-WebSocket-Version', 'Sec-WebSocket-Version: 777'), auth) + hidden, 426],
    [lines('GET / HTTP/1.1', ...but('Sec-WebSocket-Version'), auth), 426],
    [lines('GET / HTTP/1.1', ...but('Sec-WebSocket-Key'), auth), 400],
    [lines('GET / HTTP/1.1', ...but('Sec-WebSocket-Key', 'Sec-WebSocket-Key: short'), auth), 400],
    [lines('GET / HTTP/1.1', ...UPGRADE, KEY, auth), 400],
    [`${lines('GET / HTTP/1.1', ...UPGRADE, auth, 'Content-Length: 3')}abc`, 400],
    [`${lines('GET / HTTP/1.1', ...UPGRADE, auth, 'Transfer-Encoding: chunked')}0\r\n\r\n`, 400],
    [lines('GET http://evil.test/ HTTP/1.1', ...UPGRADE, auth), 400],
    [lines('GET / HTTP/1.1', ...UPGRADE, auth, 'Origin: https://a.test', 'Origin: https://b.test'), 400],
    [lines('GET / HTTP/1.1', ...UPGRADE) + hidden, 401],
  ];
  for (const [bytes, status] of cases) t.same(statusesOf(await talk(setup, bytes)), [status], bytes.slice(0, 60));
  t.equal(setup.upstream.requests.length, 0);
  t.equal(setup.sidecar.state().sockets, 0);
});

t.test('bytes after an upgrade are not read as HTTP requests', async (t) => {
  const setup = await openSetup(t, { upstreamOptions: { echo: false } });
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const hidden = lines('GET /hidden HTTP/1.1', 'Host: a.test', 'X-User-ID: admin');
  const answer = await talk(setup, lines('GET /ws HTTP/1.1', ...UPGRADE, auth) + hidden);
  t.same(statusesOf(answer), [101]);
  t.same(
    setup.upstream.requests.map(({ url }) => url),
    ['/ws'],
  );
});

t.test('an upgrade that follows an unanswered request does not reach the upstream', async (t) => {
  const upstream = await openUpstream(t, { answer: (_, response) => void setTimeout(() => response.end('late'), 30) });
  const setup = await openSetup(t, { upstream });
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const both = lines('GET /slow HTTP/1.1', 'Host: a', auth) + lines('GET /ws HTTP/1.1', ...UPGRADE, auth);
  t.same(statusesOf(await talk(setup, both)), []);
  t.notOk(upstream.requests.some(({ url }) => url === '/ws'));
});

t.test('each request on one connection is checked with its own token', async (t) => {
  const setup = await openSetup(t);
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const one = lines('GET /1 HTTP/1.1', 'Host: a', auth);
  const bare = lines('GET /2 HTTP/1.1', 'Host: a');
  t.same(statusesOf(await talk(setup, one + bare + one)), [200, 401, 200]);
  t.same(
    setup.upstream.requests.map(({ url }) => url),
    ['/1', '/1'],
  );
});

t.test('an HTTP/1.0 request without Host is passed on, with the Host of the upstream', async (t) => {
  const setup = await openSetup(t);
  const answer = await talk(setup, lines('GET /old HTTP/1.0', `Authorization: Bearer ${setup.issuer.token()}`));
  t.match(answer, /^HTTP\/1.1 200 [\s\S]*plain$/);
  t.equal(setup.upstream.requests[0]?.headers.host, setup.upstream.url.host);
});

t.test('frames sent with the handshake reach the upstream, and an unmasked frame ends the socket', async (t) => {
  const setup = await openSetup(t, { upstreamOptions: { echo: false } });
  const auth = `Authorization: Bearer ${setup.issuer.token()}`;
  const heard: string[] = [];
  setup.upstream.sockets.on('connection', (socket) => socket.on('message', (data) => heard.push(String(data))));
  const masked = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  const head = Buffer.from(lines('GET / HTTP/1.1', ...UPGRADE, auth));
  t.match(await talk(setup, Buffer.concat([head, masked])), /^HTTP\/1.1 101 /);
  await until(() => heard.length > 0);
  t.same(heard, ['hi']);
  const unmasked = Buffer.from([0x81, 0x02, 0x68, 0x69]);
  const answer = await talk(setup, Buffer.concat([head, unmasked]));
  t.ok(answer.includes('\x88\x02\x03\xea'), 'the socket is closed with 1002');
  t.same(heard, ['hi']);
});

t.test('a client that disconnects at any moment leaves no socket, request or slot in use', async (t) => {
  const setup = await openSetup(t);
  const bytes = Buffer.from(lines('GET / HTTP/1.1', ...UPGRADE, `Authorization: Bearer ${setup.issuer.token()}`));
  for (let cut = 0; cut <= bytes.length; cut += 7) {
    const socket = connectTo(setup);
    await once(socket, 'connect');
    socket.write(bytes.subarray(0, cut));
    if (cut % 2) socket.destroy();
    else socket.resetAndDestroy();
  }
  const socket = connectTo(setup);
  socket.write(bytes);
  await once(socket, 'data');
  socket.resetAndDestroy();
  await until(() => setup.sidecar.state().sockets === 0);
  const client = await setup.open();
  client.socket.send('alive');
  t.equal(await client.message(), 'alive');
});

t.test('random bytes and mangled requests never end the process', async (t) => {
  const setup = await openSetup(t);
  const head = lines(`GET /${'x'.repeat(200)} HTTP/1.1`, ...UPGRADE).slice(0, -2);
  const good = `${head}Authorization: Bearer ${setup.issuer.token()}\r\n\r\n`;
  // A generator with a fixed seed, so that a failure can be reproduced.
  let seed = 42;
  const chance = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const batch = async () => {
    const bytes = Buffer.from(good, 'latin1');
    for (let flips = 1 + chance(6); flips > 0; flips -= 1) bytes[chance(head.length)] = chance(256);
    return statusesOf(await talk(setup, bytes));
  };
  const answers: number[] = [];
  for (let round = 0; round < 25; round += 1) {
    answers.push(...(await Promise.all(Array.from({ length: 16 }, batch))).flat());
  }
  t.same(
    answers.filter((status) => status >= 500),
    [],
  );
  t.ok(answers.includes(400) && answers.includes(101), 'both refused and accepted requests occurred');
  const client = await setup.open();
  client.socket.send('alive');
  t.equal(await client.message(), 'alive');
  t.same(
    setup.lines.filter(({ level }) => level === 'error'),
    [],
  );
});

t.test('the sidecar’s own answers have security headers, including those that are written by hand', async (t) => {
  const setup = await openSetup(t, { settings: { allowedOrigins: ['https://app.example.com'] } });
  const preflight = lines(
    'OPTIONS / HTTP/1.1',
    'Host: a.test',
    'Origin: https://app.example.com',
    'Access-Control-Request-Method: PUT',
  );
  const cases: [string, string, number][] = [
    ['no token', lines('GET / HTTP/1.1', 'Host: a.test'), 401],
    ['a refused handshake', lines('GET / HTTP/1.1', ...UPGRADE), 401],
    ['rubbish', 'rubbish\r\n\r\n', 400],
    ['a tunnel', lines('CONNECT a.test:443 HTTP/1.1', 'Host: a.test'), 405],
    ['a long head', lines('GET / HTTP/1.1', 'Host: a.test', `X-Long: ${'x'.repeat(70_000)}`), 431],
    ['two hosts', lines('GET / HTTP/1.1', 'Host: a.test', 'Host: b.test'), 400],
    ['a preflight', preflight, 204],
  ];
  for (const [name, bytes, status] of cases) {
    const answer = await talk(setup, bytes);
    t.same(statusesOf(answer), [status], name);
    t.match(answer, /content-security-policy: default-src 'none';base-uri 'none';form-action 'none';frame-/i, name);
    t.match(answer, /x-content-type-options: nosniff/i, name);
    t.match(answer, /x-frame-options: deny/i, name);
    t.match(answer, /date: \w{3}, /i, name);
  }
});

t.test('bytes that are not a request are refused after the answers to the requests before them', async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const upstream = await openUpstream(t, { answer: (_, response) => void released.then(() => response.end('late')) });
  const setup = await openSetup(t, { upstream });
  const arrived = once(upstream.server, 'request');
  const socket = connectTo(setup);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.write(lines('GET / HTTP/1.1', 'Host: a.test', `Authorization: Bearer ${setup.issuer.token()}`));
  await arrived;
  socket.write('rubbish\r\n\r\n');
  await talk(setup, lines('GET / HTTP/1.1', 'Host: a.test')); // the sidecar has read the bytes meanwhile
  t.equal(chunks.length, 0, 'nothing overtakes the answer');
  release();
  await once(socket, 'close');
  const answer = Buffer.concat(chunks).toString('latin1');
  t.same(statusesOf(answer), [200, 400]);
  t.match(answer, 'late');
});
