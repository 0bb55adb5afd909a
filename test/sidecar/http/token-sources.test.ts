// Where a handshake can carry its token, and which parts of the request the upstream receives.
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { openSetup, refusal, type Setup } from '../open.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** Sends a handshake as raw bytes and returns the head of the answer. */
async function rawHandshake({ sidecar }: Setup, target: string, ...fields: string[]): Promise<string> {
  const socket = connect(sidecar.address.port, '127.0.0.1');
  const lines = ['Host: chat.test', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13'];
  socket.write(`GET ${target} HTTP/1.1\r\n${[...lines, `Sec-WebSocket-Key: ${KEY}`, ...fields].join('\r\n')}\r\n\r\n`);
  const chunks: Buffer[] = [];
  while (!Buffer.concat(chunks).includes('\r\n\r\n')) {
    const [chunk] = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [null])]);
    if (chunk === null) break;
    chunks.push(chunk as Buffer);
  }
  socket.destroy();
  return Buffer.concat(chunks).toString();
}

function seen({ upstream }: Setup): string {
  const request = upstream.requests.at(-1);
  return JSON.stringify([request?.url, request?.rawHeaders]);
}

t.test('without a token the answer is 401 with a challenge, and the upstream gets no request', async (t) => {
  const setup = await openSetup(t);
  const reply = await refusal(setup.open('/', null));
  t.match(reply, {
    status: 401,
    code: 'unauthenticated',
    headers: { 'www-authenticate': 'Bearer', connection: 'close' },
  });
  t.match(reply.headers['content-type'], /^application\/problem\+json/);
  t.equal(setup.upstream.requests.length, 0);
});

t.test('an invalid token is refused with the reason, and the upstream gets no request', async (t) => {
  const setup = await openSetup(t);
  const { issuer } = setup;
  const good = issuer.token();
  for (const [token, code] of [
    ['nonsense', 'invalid_token'],
    [good.slice(0, -2), 'invalid_token'],
    [issuer.expiredToken(), 'token_expired'],
    [issuer.token({ aud: 'another' }), 'invalid_token'],
    [issuer.token({ iss: 'https://evil.test' }), 'invalid_token'],
    [issuer.token({}, { header: { typ: 'rt+jwt' } }), 'invalid_token'],
  ] as const) {
    const reply = await refusal(setup.open('/', token));
    t.match(reply, { status: 401, code, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
    t.notOk(reply.text.includes(token), 'the answer does not repeat the token');
  }
  t.equal(setup.upstream.requests.length, 0);
  t.notOk(JSON.stringify(setup.lines).includes(good), 'the token is not logged');
});

t.test('one Authorization header with the Bearer scheme is accepted, and it is not forwarded', async (t) => {
  const setup = await openSetup(t);
  const token = setup.issuer.token();
  for (const value of [`Bearer ${token}`, `bearer  ${token}`]) {
    t.match(await rawHandshake(setup, '/', `Authorization: ${value}`), /^HTTP\/1.1 101 /);
    t.notOk(seen(setup).includes(token));
  }
  for (const fields of [
    [`Authorization: ${token}`],
    [`Authorization: Basic ${token}`],
    ['Authorization: Bearer'],
    ['Authorization:'],
    [`Authorization: Bearer ${token}, Bearer ${token}`],
  ]) {
    t.match(
      await rawHandshake(setup, '/', ...fields),
      /^HTTP\/1.1 401 [\s\S]*"invalid_token"/,
      String(fields[0]).slice(0, 24),
    );
  }
  const twice = await rawHandshake(setup, '/', `Authorization: Bearer ${token}`, `authorization: Bearer ${token}`);
  t.match(twice, /^HTTP\/1.1 400 [\s\S]*error="invalid_request"/);
});

t.test(
  'the subprotocol bearer.<token> is accepted, not forwarded, and not selected if others are offered',
  async (t) => {
    const setup = await openSetup(t);
    const token = setup.issuer.token();
    const client = await setup.open('/', null, {}, [`bearer.${token}`, 'chat']);
    t.equal(client.socket.protocol, 'chat');
    t.equal(setup.upstream.requests[0]?.headers['sec-websocket-protocol'], 'chat');
    t.notOk(seen(setup).includes(token));
    const other = await setup.open('/', null, {}, ['v1', 'v2', `bearer.${token}`]);
    t.equal(other.socket.protocol, 'v1');
    const bad = await refusal(setup.open('/', null, {}, ['chat', 'bearer.nonsense']));
    t.match(bad, { status: 401, code: 'invalid_token' });
  },
);

t.test(
  'if the upstream selects no subprotocol, "tenantry" is selected, or the token entry if it is the only offer',
  async (t) => {
    const setup = await openSetup(t, { upstreamOptions: { protocol: () => false } });
    const token = setup.issuer.token();
    const neutral = await setup.open('/', null, {}, ['tenantry', `bearer.${token}`]);
    t.equal(neutral.socket.protocol, 'tenantry');
    t.notOk(
      'sec-websocket-protocol' in (setup.upstream.requests[0]?.headers ?? {}),
      'the upstream gets no subprotocol',
    );
    // Browsers and `ws` fail a connection if they offer subprotocols and the answer selects none of them.
    const alone = await setup.open('/', null, {}, [`bearer.${token}`]);
    t.equal(alone.socket.protocol, `bearer.${token}`);
    t.notOk(seen(setup).includes(token));
    const answer = await rawHandshake(setup, '/', `Sec-WebSocket-Protocol: chat, bearer.${token}`);
    t.match(answer, /^HTTP\/1.1 101 /);
    t.notOk(/sec-websocket-protocol/i.test(answer), 'the upstream selected no subprotocol, so the answer has none');
  },
);

t.test('a malformed list of subprotocols is refused', async (t) => {
  const setup = await openSetup(t);
  const token = setup.issuer.token();
  const auth = `Authorization: Bearer ${token}`;
  for (const list of ['', ',', 'a b', 'chat, chat', 'ch@t, "x"', 'a;b']) {
    t.match(await rawHandshake(setup, '/', auth, `Sec-WebSocket-Protocol: ${list}`), /^HTTP\/1.1 400 /, list);
  }
  t.match(
    await rawHandshake(setup, '/', auth, 'Sec-WebSocket-Protocol: a,, b ,'),
    /^HTTP\/1.1 101 /,
    'RFC 9110 §5.6.1',
  );
  const two = `Sec-WebSocket-Protocol: bearer.${token}, bearer.${setup.issuer.token()}`;
  t.match(await rawHandshake(setup, '/', two), /^HTTP\/1.1 400 [\s\S]*invalid_request/);
});

t.test('the configured cookie is accepted and not forwarded, and other cookies stay unchanged', async (t) => {
  const setup = await openSetup(t, { settings: { cookie: 'at' } });
  const token = setup.issuer.token();
  const cookie = `a=1; at=${token};b="x y"; atx=2; AT=3`;
  await setup.open('/', null, { headers: { cookie } });
  t.equal(setup.upstream.requests[0]?.headers.cookie, 'a=1; b="x y"; atx=2; AT=3');
  await setup.open('/', null, { headers: { cookie: `at=${token}` } });
  t.notOk('cookie' in (setup.upstream.requests[1]?.headers ?? {}));
  const empty = await refusal(setup.open('/', null, { headers: { cookie: 'at=; b=2' } }));
  t.equal(empty.code, 'unauthenticated', 'an empty cookie counts as missing');
  const two = await rawHandshake(setup, '/', `Cookie: at=${token}`, 'Cookie: at=nonsense');
  t.match(two, /^HTTP\/1.1 400 [\s\S]*invalid_request/, 'two cookies with different tokens');
  const quiet = await openSetup(t);
  const reply = await refusal(quiet.open('/', null, { headers: { cookie: `at=${quiet.issuer.token()}` } }));
  t.equal(reply.code, 'unauthenticated', 'without the setting the cookie is ignored');
});

t.test('a token in a cookie counts only from the same host or an allowed origin', async (t) => {
  const own = await openSetup(t, { settings: { cookie: 'at' } });
  const cookie = `at=${own.issuer.token()}`;
  const { port } = own.sidecar.address;
  const from = (setup: Setup, origin: string | null, more: Record<string, string> = {}) =>
    setup.open('/', null, { headers: { cookie, ...(origin === null ? {} : { origin }), ...more } });
  await from(own, `http://127.0.0.1:${port}`);
  await from(own, null);
  for (const origin of [
    'https://evil.test',
    'null',
    '',
    `http://127.0.0.1:${port}.evil.test`,
    'http://127.0.0.1',
    'file://',
  ]) {
    t.match(await refusal(from(own, origin)), { status: 403, code: 'cross_site_request' }, origin);
  }
  t.match(await refusal(from(own, null, { 'sec-fetch-site': 'cross-site' })), { status: 403 });
  await own.open('/', undefined, { headers: { origin: 'https://evil.test' } });
  t.pass('any origin can use a token that the page itself must send');

  const settings = { cookie: 'at', allowedOrigins: ['https://app.test'] };
  const listed = await openSetup(t, { settings, issuer: own.issuer });
  await from(listed, 'https://app.test');
  await from(listed, null);
  for (const origin of [
    'https://evil.test',
    'https://app.test.evil.test',
    'http://app.test',
    'https://APP.test',
    `http://127.0.0.1:${listed.sidecar.address.port}`,
  ]) {
    t.match(await refusal(from(listed, origin)), { status: 403, code: 'cross_site_request' }, origin);
  }
  const header = listed.open('/', undefined, { headers: { origin: 'https://evil.test' } });
  t.match(await refusal(header), { status: 403 }, 'if the setting lists origins, every other origin is refused');
});

t.test('a token in the query counts only if configured, and is removed without changing the rest', async (t) => {
  const setup = await openSetup(t, { settings: { queryParameter: 'access_token' } });
  const token = setup.issuer.token();
  for (const [target, rest] of [
    [`/a%2Fb?x=1&access_token=${token}&y=%zz+&&z`, '/a%2Fb?x=1&y=%zz+&&z'],
    [`/?access_token=${token}`, '/'],
    [`/?%61ccess%5Ftoken=${token}`, '/'],
    [`/?a?b&access_token=${token}`, '/?a?b'],
  ] as const) {
    t.match(await rawHandshake(setup, target), /^HTTP\/1.1 101 /);
    t.equal(setup.upstream.requests.at(-1)?.url, rest);
  }
  t.match(await rawHandshake(setup, `/?access_token=${token}&access_token=x`), /^HTTP\/1.1 400 [\s\S]*invalid_request/);
  t.match(await rawHandshake(setup, '/?access_token='), /^HTTP\/1.1 401 /);
  t.notOk(JSON.stringify(setup.lines).includes('access_token'), 'no query is logged');
  const off = await openSetup(t, { issuer: setup.issuer });
  t.match(await refusal(off.open(`/?access_token=${token}`, null)), { status: 401, code: 'unauthenticated' });
});

t.test('different tokens in two places are refused, and the same token in two places is accepted', async (t) => {
  const setup = await openSetup(t, { settings: { cookie: 'at', queryParameter: 'q' } });
  const [one, two] = [setup.issuer.token(), setup.issuer.token()];
  const places = [`Authorization: Bearer ${one}`, `Sec-WebSocket-Protocol: chat, bearer.${one}`, `Cookie: at=${one}`];
  const others = [`Authorization: Bearer ${two}`, `Sec-WebSocket-Protocol: chat, bearer.${two}`, `Cookie: at=${two}`];
  for (const [first, place] of places.entries()) {
    for (const [second, other] of others.entries()) {
      if (first === second) continue;
      t.match(await rawHandshake(setup, '/', place, other), /^HTTP\/1.1 400 [\s\S]*invalid_request/);
    }
    t.match(await rawHandshake(setup, `/?q=${two}`, place), /^HTTP\/1.1 400 /);
    t.match(await rawHandshake(setup, `/?q=${one}`, place), /^HTTP\/1.1 101 /);
  }
  t.match(await rawHandshake(setup, '/', ...places), /^HTTP\/1.1 101 /);
  t.notOk(seen(setup).includes(one), 'the token is removed from every place');
});

t.test('with forwardToken the upstream gets the token in Authorization, wherever the client sent it', async (t) => {
  const setup = await openSetup(t, { settings: { cookie: 'at', forwardToken: true } });
  const token = setup.issuer.token();
  await setup.open('/', null, { headers: { cookie: `at=${token}` } });
  await setup.open('/', null, {}, ['chat', `bearer.${token}`]);
  await setup.open('/', token);
  for (const { headers } of setup.upstream.requests) t.equal(headers.authorization, `Bearer ${token}`);
  t.notMatch(
    setup.upstream.requests[1]?.headers['sec-websocket-protocol'],
    /bearer/,
    'a subprotocol is never forwarded',
  );
});

t.test('a silent feed causes 503 with Retry-After, and an unexpected error 500, and neither causes 401', async (t) => {
  const setup = await openSetup(t);
  setup.issuer.setStale(31);
  const reply = await refusal(setup.open());
  t.match(reply, { status: 503, code: 'revocations_stale' });
  t.match(reply.headers['retry-after'], /^[1-9]\d*$/);
  t.notOk('www-authenticate' in reply.headers);
  setup.issuer.setStale(29);
  await setup.open();
  const lookUp = () => Promise.reject(Object.assign(new Error('no keys')));
  const broken = await openSetup(t, { verifier: { keys: { find: () => undefined, lookUp } } });
  t.match(await refusal(broken.open()), { status: 500, code: 'internal_error' }, 'an unexpected error opens no socket');
  const sockets = [setup, broken].map(({ sidecar }) => sidecar.state().sockets);
  t.same(sockets, [1, 0]);
});

t.test('the standard WebSocket client connects with the token subprotocol, alone or with "tenantry"', async (t) => {
  const setup = await openSetup(t, { upstreamOptions: { protocol: () => false } });
  const bearer = `bearer.${setup.issuer.token()}`;
  for (const [protocols, selected] of [
    [[bearer], bearer],
    [['tenantry', bearer], 'tenantry'],
    [['chat', bearer], null],
  ] as const) {
    const socket = new globalThis.WebSocket(setup.ws, [...protocols]);
    const opened = await new Promise<boolean>((resolve) => {
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
    t.same([opened, opened ? socket.protocol : null], [selected !== null, selected], String(protocols).slice(0, 20));
    socket.close();
  }
});
