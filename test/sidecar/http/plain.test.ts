// Plain HTTP requests: the same token rules as for sockets, unchanged bodies and answers, and the answers during an
// outage.
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream, type Setup } from '../open.ts';

const authorization = (setup: Setup) => ({ authorization: `Bearer ${setup.issuer.token()}` });

/** Echoes the method, target, framing and body of a request. */
async function mirror(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ method: request.method, url: request.url, length, coding, body }));
}

t.test('plain requests without a valid token are refused like sockets, and do not reach the upstream', async (t) => {
  const setup = await openSetup(t);
  for (const [headers, status, code] of [
    [{}, 401, 'unauthenticated'],
    [{ authorization: 'Basic YTpi' }, 401, 'invalid_token'],
    [{ authorization: `Bearer ${setup.issuer.expiredToken()}` }, 401, 'token_expired'],
    [{ 'sec-websocket-protocol': `bearer.${setup.issuer.token()}` }, 401, 'unauthenticated'],
  ] as const) {
    const reply = await fetch(`${setup.http}/socket.io/?EIO=4&transport=polling`, { headers });
    t.equal(reply.status, status);
    t.match(reply.headers.get('www-authenticate'), /^Bearer/);
    t.match(reply.headers.get('content-type'), /^application\/problem\+json/);
    const body = (await reply.json()) as Record<string, unknown>;
    t.match(body, { code, status, type: `/problems/${code.replaceAll('_', '-')}` });
    t.equal(body.error, body.detail);
    t.equal(body.requestId, reply.headers.get('x-request-id'));
  }
  setup.issuer.setStale(true);
  const stale = await fetch(setup.http, { headers: authorization(setup) });
  t.equal(stale.status, 503);
  t.match(stale.headers.get('retry-after'), /^[1-9]/);
  t.equal(setup.upstream.requests.length, 0);
});

t.test('methods, targets and bodies are passed on unchanged, with the framing that the client used', async (t) => {
  const setup = await openSetup(t, { upstreamOptions: { answer: mirror } });
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const body = method === 'GET' ? null : `${method} ünï ${'x'.repeat(200_000)}`;
    const reply = await fetch(`${setup.http}/a/b?c=%zz`, { method, headers: authorization(setup), body });
    const expected = { method, url: '/a/b?c=%zz', body: body ?? '' };
    t.match(await reply.json(), body === null ? expected : { ...expected, length: String(Buffer.byteLength(body)) });
  }
  const chunked = httpRequest(setup.http, { method: 'POST', headers: authorization(setup) });
  chunked.write('one ');
  chunked.write('two');
  chunked.end();
  const [reply] = (await once(chunked, 'response')) as [IncomingMessage];
  const { length, coding, body } = JSON.parse(await text(reply));
  t.same([length, coding, body], [undefined, 'chunked', 'one two']);
  const bare = await fetch(setup.http, { method: 'POST', headers: authorization(setup) });
  t.match(await bare.json(), { body: '', length: '0' });
});

t.test('answers are passed on unchanged: status, repeated headers, and no body if HTTP allows none', async (t) => {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const status = Number(request.url?.slice(1));
    response.writeHead(
      status,
      'Own Words',
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['Connection', 'x-hop'],
        ['X-Hop', 'ends here'],
        ['X-Own', 'goes on'],
        ...(status === 204 || status === 304 ? [] : [['Content-Length', '4']]),
      ].flat(),
    );
    response.end(status === 204 || status === 304 || request.method === 'HEAD' ? undefined : 'body');
  };
  const setup = await openSetup(t, { upstreamOptions: { answer } });
  for (const status of [200, 204, 301, 304, 404, 418, 500, 503]) {
    for (const method of ['GET', 'HEAD']) {
      const sent = httpRequest(`${setup.http}/${status}`, { method, headers: authorization(setup) });
      sent.end();
      const [reply] = (await once(sent, 'response')) as [IncomingMessage];
      t.match(reply, { statusCode: status, statusMessage: 'Own Words', headers: { 'set-cookie': ['a=1', 'b=2'] } });
      t.equal(reply.headers['x-own'], 'goes on');
      t.notOk('x-hop' in reply.headers);
      t.equal(await text(reply), method === 'HEAD' || status === 204 || status === 304 ? '' : 'body');
    }
  }
});

t.test(
  'an unreachable or broken upstream is answered with 502, a silent one with 504, and the connection stays open',
  async (t) => {
    const spare = createServer().listen(0, '127.0.0.1');
    await once(spare, 'listening');
    const { port } = spare.address() as { port: number };
    spare.close();
    const upstream = await openUpstream(t, {
      answer: (request, response) => {
        if (request.url === '/breaks') request.socket.destroy();
        if (request.url === '/garbage') request.socket.end('HTTP/1.1 banana\r\n\r\n');
        if (request.url === '/switches')
          request.socket.end('HTTP/1.1 101 Sure\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
        if (request.url === '/good') response.end('good');
      },
    });
    const away = await openSetup(t, { upstream: { ...upstream, url: new URL(`http://127.0.0.1:${port}`) } });
    const setup = await openSetup(t, { upstream });
    const impatient = await openSetup(t, { upstream, settings: { upstreamSeconds: 0.3 } });
    const asked: [Setup, string, number, string][] = [
      [away, '/', 502, 'upstream_unavailable'],
      [setup, '/breaks', 502, 'upstream_unavailable'],
      [setup, '/garbage', 502, 'upstream_unavailable'],
      [setup, '/switches', 502, 'upstream_unavailable'],
      [impatient, '/silent', 504, 'upstream_timeout'],
    ];
    for (const [where, path, status, code] of asked) {
      for (const method of ['GET', 'POST']) {
        const body = method === 'POST' ? 'x' : null;
        const reply = await fetch(`${where.http}${path}`, { method, body, headers: authorization(where) });
        t.equal(reply.status, status, path);
        t.match(await reply.json(), { code });
      }
    }
    t.equal(await (await fetch(`${setup.http}/good`, { headers: authorization(setup) })).text(), 'good');
    for (const { sidecar } of [setup, impatient]) await until(() => sidecar.state().requests === 0);
  },
);

t.test('an incomplete answer of the upstream does not look complete to the client', async (t) => {
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/length') response.setHeader('content-length', '100');
    response.write('part');
    setImmediate(() => request.socket.destroy());
  };
  const setup = await openSetup(t, { upstreamOptions: { answer } });
  for (const path of ['/length', '/chunked']) {
    const reply = await fetch(`${setup.http}${path}`, { headers: authorization(setup) });
    await t.rejects(reply.text(), path);
  }
});

t.test('an incomplete body of a client does not look complete to the upstream', async (t) => {
  const upstream = await openUpstream(t, { answer: (request) => request.resume() });
  const setup = await openSetup(t, { upstream });
  for (const headers of [{ 'content-length': '100' }, { 'transfer-encoding': 'chunked' }]) {
    const arrived = once(upstream.server, 'request') as Promise<[IncomingMessage]>;
    const sent = httpRequest(setup.http, { method: 'POST', headers: { ...authorization(setup), ...headers } });
    sent.on('error', () => {});
    sent.write('part');
    const [got] = await arrived;
    const aborted = once(got, 'error');
    sent.destroy();
    t.match((await aborted)[0], { code: 'ECONNRESET' });
    t.equal(got.complete, false);
  }
});

t.test('only an authorized client gets 100 for Expect: 100-continue, and other expectations are refused', async (t) => {
  const setup = await openSetup(t, { upstreamOptions: { answer: mirror } });
  const ask = (headers: Record<string, string>) => {
    const sent = httpRequest(setup.http, { method: 'POST', headers: { 'content-length': '4', ...headers } });
    sent.flushHeaders();
    return sent;
  };
  const good = ask({ expect: '100-continue', ...authorization(setup) });
  await once(good, 'continue');
  good.end('body');
  const [reply] = (await once(good, 'response')) as [IncomingMessage];
  t.match(JSON.parse(await text(reply)), { body: 'body' });
  const stranger = ask({ expect: '100-continue' });
  let isContinued = false;
  stranger.on('continue', () => {
    isContinued = true;
  });
  stranger.on('error', () => {});
  const [refused] = (await once(stranger, 'response')) as [IncomingMessage];
  t.same([refused.statusCode, isContinued], [401, false]);
  stranger.destroy();
  const odd = ask({ expect: 'magic', ...authorization(setup) });
  odd.on('error', () => {});
  const [failed] = (await once(odd, 'response')) as [IncomingMessage];
  t.equal(failed.statusCode, 417);
  odd.destroy();
});

t.test('a refused request with a large body gets the complete answer', async (t) => {
  const setup = await openSetup(t);
  const slow = connect(setup.sidecar.address.port, '127.0.0.1').pause();
  slow.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(400_000)}`);
  await until(() => setup.lines.length > 0);
  await new Promise((resolve) => slow.write('x'.repeat(500_000), resolve));
  t.match(await text(slow), /^HTTP\/1.1 401 [\s\S]*unauthenticated[\s\S]*\}$/);
  for (let round = 0; round < 5; round += 1) {
    const reply = await fetch(setup.http, { method: 'POST', body: 'x'.repeat(900_000) });
    t.equal(reply.status, 401);
    t.match(await reply.json(), { code: 'unauthenticated' });
  }
  t.equal(setup.upstream.requests.length, 0);
});

t.test(
  'an answer of the upstream before the end of the body reaches the client, and the connection is not used again',
  async (t) => {
    const answer = (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(413, { connection: 'close' });
      response.end('too large');
    };
    const setup = await openSetup(t, { upstreamOptions: { answer } });
    const sent = httpRequest(setup.http, { method: 'POST', headers: authorization(setup) });
    sent.on('error', () => {});
    sent.write('x'.repeat(100_000));
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    t.match(reply, { statusCode: 413, headers: { connection: 'close' } });
    t.equal(await text(reply), 'too large');
    sent.destroy();
  },
);

t.test(
  'a request is sent once more if the upstream closes a kept connection and the method may be repeated',
  async (t) => {
    const upstream = await openUpstream(t);
    upstream.server.keepAliveTimeout = 60_000;
    const setup = await openSetup(t, { upstream });
    const ask = async (method: string) =>
      fetch(setup.http, { method, headers: authorization(setup), body: method === 'POST' ? 'x' : null });
    t.equal((await ask('GET')).status, 200);
    let killed = 0;
    upstream.server.prependListener('request', (request) => {
      if (killed++ === 0) request.socket.destroy();
    });
    t.equal((await ask('GET')).status, 200);
    t.equal(killed, 2);
    killed = 0;
    t.equal((await ask('POST')).status, 502, 'a POST is not repeated, because the upstream may have executed it');
    t.equal(killed, 1);
  },
);

t.test('a preflight without a token is answered for an allowed origin, and refused for any other', async (t) => {
  const setup = await openSetup(t, { settings: { allowedOrigins: ['https://app.test'] } });
  const preflight = (origin: string) =>
    fetch(`${setup.http}/socket.io/`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
  const allowed = await preflight('https://app.test');
  t.equal(allowed.status, 204);
  t.equal(allowed.headers.get('access-control-allow-origin'), 'https://app.test');
  t.equal(allowed.headers.get('access-control-allow-headers'), 'authorization');
  t.match(allowed.headers.get('vary'), /Origin/);
  const foreign = await preflight('https://evil.test');
  t.equal(foreign.status, 403);
  t.notOk(foreign.headers.has('access-control-allow-origin'));
  const refused = await fetch(setup.http, { headers: { origin: 'https://app.test' } });
  t.equal(refused.status, 401);
  t.equal(
    refused.headers.get('access-control-allow-origin'),
    'https://app.test',
    'the page of an allowed origin can read the reason',
  );
  t.equal(setup.upstream.requests.length, 0);
  const plain = await openSetup(t);
  t.equal(
    (
      await fetch(plain.http, {
        method: 'OPTIONS',
        headers: { origin: 'https://a.test', 'access-control-request-method': 'GET' },
      })
    ).status,
    401,
  );
});

t.test('a token in a cookie is refused if the plain request comes from another site', async (t) => {
  const setup = await openSetup(t, { settings: { cookie: 'at' } });
  const cookie = `at=${setup.issuer.token()}`;
  const ask = (headers: Record<string, string>) =>
    fetch(setup.http, { method: 'POST', headers: { cookie, ...headers } });
  t.equal((await ask({})).status, 200);
  t.equal((await ask({ origin: setup.http })).status, 200);
  t.equal((await ask({ origin: 'https://evil.test' })).status, 403);
});
