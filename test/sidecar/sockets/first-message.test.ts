// Sockets whose token is in their first message: the upstream receives nothing before that message, and the wait for it
// has a time limit.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import t from 'tap';
import { openIssuer } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';
import { type Client, openSetup, openUpstream, refusal } from '../open.ts';

const SID = '0196f0aa-0000-7000-8000-000000000001';
const frame = (token: unknown) => JSON.stringify({ event: 'authenticate', data: { token } });
const settings = { firstMessage: true };

async function parsed(client: Client): Promise<unknown> {
  return JSON.parse(String(await client.message()));
}

t.test('the sidecar connects to the upstream only after the first message has authenticated the client', async (t) => {
  const setup = await openSetup(t, { settings });
  const { open, issuer, upstream } = setup;
  const client = await open('/room?x=1', null);
  t.equal(upstream.requests.length, 0);
  const token = issuer.token({ sid: SID, permissions: ['a:b'] });
  client.socket.send(frame(token));
  t.same(await parsed(client), { event: 'authenticated' });
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  const [request] = upstream.requests;
  t.equal(request?.url, '/room?x=1');
  t.match(request?.headers, { 'x-user-id': issuer.userId, 'x-session-id': SID, 'x-permissions': 'a:b' });
  t.notOk(JSON.stringify(request?.rawHeaders).includes(token));
  issuer.revoke({ kind: 'session', sid: SID });
  t.same(await client.closed, { code: 4401, reason: 'session_revoked' });
});

t.test('messages right after the first message reach the upstream in order, even a slow upstream', async (t) => {
  const upstream = await openUpstream(t);
  const { open, issuer } = await openSetup(t, { settings, upstream });
  const [listener] = upstream.server.listeners('upgrade');
  upstream.server.removeAllListeners('upgrade');
  const asked = once(upstream.server, 'upgrade');
  const client = await open('/', null);
  client.socket.send(frame(issuer.token()));
  for (const text of ['one', 'two', 'three']) client.socket.send(text);
  const upgrade = await asked;
  client.socket.send('four');
  await new Promise((resolve) => client.socket.ping(resolve));
  listener?.(...upgrade);
  t.same(await parsed(client), { event: 'authenticated' });
  for (const text of ['one', 'two', 'three', 'four']) t.equal(await client.message(), text);
  client.socket.send(frame(issuer.token({}, { life: 10 })));
  t.match(
    await parsed(client),
    { event: 'error', data: { code: 'token_older' } },
    'a later token message renews the socket',
  );
});

t.test('an invalid first message is answered with the reason, and the socket is closed with 4401', async (t) => {
  const { open, issuer, upstream, sidecar } = await openSetup(t, { settings });
  const cases: [string | Buffer, string][] = [
    [frame('nonsense'), 'invalid_token'],
    [frame(''), 'invalid_token'],
    [frame(null), 'invalid_token'],
    [frame(issuer.expiredToken()), 'token_expired'],
    [Buffer.from(frame(issuer.token())), 'unauthenticated'],
    ['hello', 'unauthenticated'],
    ['', 'unauthenticated'],
    ['{"event":"chat"}', 'unauthenticated'],
    ['{"event":"authenticate"', 'unauthenticated'],
  ];
  for (const [message, code] of cases) {
    const client = await open('/', null);
    client.socket.send(message);
    t.same(await parsed(client), { event: 'error', data: { code } });
    t.same(await client.closed, { code: 4401, reason: code });
  }
  t.equal(upstream.requests.length, 0);
  t.equal(sidecar.state().sockets, 0);
});

t.test('a message before the token is refused, and later messages are not read', async (t) => {
  const { open, issuer, upstream } = await openSetup(t, { settings });
  const client = await open('/', null);
  client.socket.send('hello');
  client.socket.send(frame(issuer.token()));
  t.same(await client.closed, { code: 4401, reason: 'unauthenticated' });
  t.equal(upstream.requests.length, 0);
});

t.test('a client that sends no token in time gets the reason and is disconnected', async (t) => {
  const { open, sidecar } = await openSetup(t, { settings: { ...settings, firstMessageSeconds: 0.2 } });
  const client = await open('/', null);
  t.same(await parsed(client), { event: 'error', data: { code: 'unauthenticated' } });
  t.same(await client.closed, { code: 4401, reason: 'unauthenticated' });
  t.equal(sidecar.state().sockets, 0);
});

t.test('a client that sends more bytes than a token needs is disconnected, even if it sends fragments', async (t) => {
  const { open, sidecar } = await openSetup(t, { settings: { ...settings, firstMessageSeconds: 60 } });
  const large = await open('/', null);
  large.socket.send(`{"event":"authenticate","data":{"token":"${'x'.repeat(60_000)}"}}`);
  t.equal((await large.closed).code, 1006);
  const pieces = await open('/', null);
  const piece = 'x'.repeat(1000);
  const sending = setInterval(() => pieces.socket.send(piece, { fin: false }), 1);
  t.equal((await pieces.closed).code, 1006);
  clearInterval(sending);
  t.equal(sidecar.state().sockets, 0);
});

t.test('sockets that wait for a token have their own limit, and count in the total', async (t) => {
  const { open, issuer, sidecar } = await openSetup(t, {
    settings: { ...settings, firstMessageSeconds: 60, waitingMax: 2, socketsMax: 4 },
  });
  const waiting = [await open('/', null), await open('/', null)];
  t.match(await refusal(open('/', null)), { status: 503, code: 'sidecar_full' });
  await open();
  t.equal(sidecar.state().sockets, 3);
  const [first, second] = waiting;
  first?.socket.send(frame(issuer.token()));
  if (first) t.same(await parsed(first), { event: 'authenticated' });
  await open('/', null);
  t.match(await refusal(open()), { status: 503, code: 'sidecar_full' }, 'the total limit is four');
  second?.socket.close();
  await second?.closed;
  await until(() => sidecar.state().sockets === 3);
  await open();
});

t.test('outages and limits are reported with 1013 and 1014, not as an invalid token', async (t) => {
  const stale = await openSetup(t, { settings: { ...settings, socketsPerUserMax: 1 } });
  stale.issuer.setStale(true);
  const client = await stale.open('/', null);
  client.socket.send(frame(stale.issuer.token()));
  t.same(await parsed(client), { event: 'error', data: { code: 'revocations_stale' } });
  t.same(await client.closed, { code: 1013, reason: 'revocations_stale' });
  stale.issuer.setStale(false);
  await stale.open();
  const many = await stale.open('/', null);
  many.socket.send(frame(stale.issuer.token()));
  t.same(await many.closed, { code: 1013, reason: 'too_many_sockets' });

  const upstream = await openUpstream(t);
  upstream.server.removeAllListeners('upgrade');
  upstream.server.on('upgrade', (_request, socket) => void socket.end('HTTP/1.1 403 No\r\n\r\n'));
  const refusing = await openSetup(t, { settings, upstream });
  const refused = await refusing.open('/', null);
  refused.socket.send(frame(refusing.issuer.token()));
  t.same(await parsed(refused), { event: 'authenticated' });
  t.same(await parsed(refused), { event: 'error', data: { code: 'upstream_unavailable' } });
  t.same(await refused.closed, { code: 1014, reason: 'upstream_unavailable' });
  t.equal(refusing.sidecar.state().sockets, 0);
});

t.test('the first offered subprotocol is selected, and the upstream must select it too', async (t) => {
  const upstreamOptions = { protocol: (offered: Set<string>) => (offered.has('v1') ? 'v1' : false) } as const;
  const { open, issuer, upstream } = await openSetup(t, { settings, upstreamOptions });
  const client = await open('/', null, {}, ['tenantry', 'v1', 'v2']);
  t.equal(client.socket.protocol, 'v1');
  client.socket.send(frame(issuer.token()));
  t.same(await parsed(client), { event: 'authenticated' });
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  t.equal(upstream.requests[0]?.headers['sec-websocket-protocol'], 'v1');
  const other = await open('/', null, {}, ['v2']);
  other.socket.send(frame(issuer.token()));
  t.equal((await other.closed).code, 1014);
});

t.test('an invalid token in the handshake is refused at once, and no socket waits for a first message', async (t) => {
  const { open } = await openSetup(t, { settings });
  t.match(await refusal(open('/', 'nonsense')), { status: 401, code: 'invalid_token' });
  const origins = await openSetup(t, { settings: { ...settings, allowedOrigins: ['https://app.test'] } });
  const foreign = origins.open('/', null, { headers: { origin: 'https://evil.test' } });
  t.match(await refusal(foreign), { status: 403, code: 'cross_site_request' });
});

t.test('a client that disconnects while its token is being checked leaves nothing open', async (t) => {
  const issuer = openIssuer();
  const [jwk] = issuer.jwks().keys;
  const { promise: looked, resolve: find } = Promise.withResolvers<KeyObject>();
  const asked = Promise.withResolvers<void>();
  const lookUp = () => {
    asked.resolve();
    return looked;
  };
  const verifier = { keys: { find: () => undefined, lookUp } };
  const { open, sidecar, upstream } = await openSetup(t, { settings, issuer, verifier });
  const waiting = await open('/', null);
  waiting.socket.send(frame(issuer.token()));
  const opening = open('/', issuer.token(), {
    finishRequest(request) {
      request.end();
      void asked.promise.then(() => request.destroy());
    },
  });
  opening.catch(() => {});
  await asked.promise;
  // @ts-expect-error reads the private TCP socket of ws: the sidecar must notice a reset although nothing is read
  waiting.socket._socket.resetAndDestroy();
  await t.rejects(opening);
  // Once another client has its answer, the sidecar has also handled every earlier event.
  for (let round = 0; round < 3; round += 1) await refusal(open('/', 'nonsense'));
  find(createPublicKey({ key: { ...jwk }, format: 'jwk' }));
  await until(() => sidecar.state().sockets === 0);
  const other = await open('/', issuer.token());
  other.socket.send('alive');
  t.equal(await other.message(), 'alive');
  await until(() => upstream.sockets.clients.size === 1);
});
