// Open sockets and requests end with their token: when the token expires (requests up to a minute later), and at once
// when it is revoked.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import t from 'tap';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream, refusal, type Setup } from '../open.ts';

const SID = '0196f0aa-0000-7000-8000-000000000001';

t.test('a socket is closed with 4401 token_expired at the second of expiry, on both sides', async (t) => {
  const { open, issuer, upstream, sidecar } = await openSetup(t);
  const accepting = upstream.next();
  const client = await open('/', issuer.token({}, { life: 60 }));
  const longer = await open('/', issuer.token({}, { life: 61 }));
  const told = once((await accepting).socket, 'close');
  issuer.advance(59);
  client.socket.send('still');
  t.equal(await client.message(), 'still');
  issuer.advance(1);
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
  t.same((await told).map(String), ['4401', 'token_expired']);
  longer.socket.send('not yet');
  t.equal(await longer.message(), 'not yet');
  t.equal(sidecar.state().sockets, 1);
});

t.test('a token that is valid only by the clock tolerance opens no socket', async (t) => {
  const { open, issuer } = await openSetup(t);
  const token = issuer.token({}, { life: 60 });
  issuer.advance(61);
  t.match(await refusal(open('/', token)), { status: 401, code: 'token_expired' });
});

t.test('no message is passed on after the token has ended, even before the timer has run', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open, issuer } = await openSetup(t, { upstream });
  const heard: string[] = [];
  const accepting = upstream.next();
  const client = await open('/', issuer.token({}, { life: 60 }));
  const { socket } = await accepting;
  socket.on('message', (data) => heard.push(data.toString()));
  issuer.advance(60);
  client.socket.send('too late');
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
  const told = upstream.next();
  const other = await open('/', issuer.token({}, { life: 60 }));
  issuer.advance(60);
  (await told).socket.send('too late as well');
  t.same(await other.closed, { code: 4401, reason: 'token_expired' });
  t.same([heard, other.messages], [[], []]);
});

t.test('a revocation closes the sockets that it affects, with its reason, and no others', async (t) => {
  const cases: [string, (setup: Setup) => Revocation, string][] = [
    ['session', () => ({ kind: 'session', sid: SID }), 'session_revoked'],
    ['user', ({ issuer }) => ({ kind: 'user', sub: issuer.userId, epoch: 2 }), 'token_stale'],
    [
      'membership',
      ({ issuer }) => ({ kind: 'membership', sub: issuer.userId, org: issuer.organizationId, epoch: 2 }),
      'token_stale',
    ],
    [
      'organization',
      ({ issuer }) => ({ kind: 'organization', org: issuer.organizationId, state: 'suspended', at: 1 }),
      'organization_suspended',
    ],
    [
      'everything',
      ({ issuer }) => ({ kind: 'everything', not_before: Math.floor(issuer.now() / 1000) + 1 }),
      'session_revoked',
    ],
  ];
  for (const [kind, revocation, reason] of cases) {
    const setup = await openSetup(t);
    const { open, issuer } = setup;
    const other = {
      sub: '0196f0aa-0000-7000-8000-0000000000aa',
      org: '0196f0aa-0000-7000-8000-0000000000bb',
      iat: Math.floor(issuer.now() / 1000) + 4,
    };
    const hit = await open('/', issuer.token({ sid: SID }));
    const again = await open('/', issuer.token({ sid: SID }));
    const spared = await open('/', issuer.token(other));
    setup.issuer.revoke(revocation(setup));
    t.same(await hit.closed, { code: 4401, reason }, kind);
    t.same(await again.closed, { code: 4401, reason }, kind);
    spared.socket.send('here');
    t.equal(await spared.message(), 'here', `${kind}: others continue`);
    t.equal(setup.sidecar.state().sockets, 1);
  }
});

t.test(
  'a revoked key closes the sockets that its tokens opened or renewed, ends requests, and opens no socket',
  async (t) => {
    const upstream = await openUpstream(t, { answer: () => {} });
    const setup = await openSetup(t, { upstream });
    const { open, issuer, sidecar } = setup;
    const older = issuer.token({ sid: SID });
    const opened = await open('/', older);
    const client = await open('/', issuer.clientToken());
    issuer.rotate();
    const spared = await open();
    opened.socket.send(JSON.stringify({ event: 'authenticate', data: { token: issuer.token({ sid: SID }) } }));
    t.match(JSON.parse(String(await opened.message())), { event: 'authenticated' }, 'renewed with another key');
    const running = get(setup.http, { headers: { authorization: `Bearer ${older}` } });
    await until(() => sidecar.state().requests === 1);
    const kid = String((await issuer.verifier().verify(older)).keyId);
    const answered = once(running, 'response') as Promise<[IncomingMessage]>;
    issuer.revoke({ kind: 'key', kid });
    const ended = { code: 4401, reason: 'invalid_token' };
    t.same(await client.closed, ended);
    t.same(await opened.closed, ended, 'the upstream knows this caller from the token of the revoked key');
    const [answer] = await answered;
    t.equal(answer.statusCode, 401);
    answer.resume();
    spared.socket.send('here');
    t.equal(await spared.message(), 'here');
    t.match(await refusal(open('/', older)), { status: 401, code: 'invalid_token' });
    const renewed = issuer.token();
    issuer.advance(1);
    spared.socket.send(JSON.stringify({ event: 'authenticate', data: { token: older } }));
    t.match(JSON.parse(String(await spared.message())), { event: 'error', data: { code: 'invalid_token' } });
    issuer.revokeKey();
    t.same(await spared.closed, ended);
    t.match(await refusal(open('/', renewed)), { status: 401, code: 'invalid_token' });
    const next = await open();
    next.socket.send('here');
    t.equal(await next.message(), 'here', 'the next key opens sockets');
  },
);

t.test('the sockets of a service client close when the client is disabled or its secret is rotated', async (t) => {
  const { open, issuer } = await openSetup(t);
  const client = await open('/', issuer.clientToken());
  const user = await open();
  issuer.revoke({ kind: 'client', client_id: issuer.clientId, epoch: 2 });
  t.same(await client.closed, { code: 4401, reason: 'token_stale' });
  user.socket.send('here');
  t.equal(await user.message(), 'here');
});

t.test('a change in one organization closes the user’s sockets there, and no socket for another one', async (t) => {
  const { open, issuer } = await openSetup(t);
  const elsewhere = '0196f0aa-0000-7000-8000-0000000000cc';
  const older = { mep: undefined };
  const closing = [await open('/', issuer.token()), await open('/', issuer.token(older))];
  const staying = [
    await open('/', issuer.token({ org: elsewhere })),
    await open('/', issuer.token({ org: elsewhere, ...older })),
    await open('/', issuer.token({ org: undefined, org_slug: undefined, roles: undefined, permissions: undefined })),
    await open('/', issuer.token({ sub: elsewhere })),
    await open('/', issuer.token({ epoch: 2, mep: 2 })),
  ];
  issuer.revoke({ kind: 'membership', sub: issuer.userId, org: issuer.organizationId, epoch: 2 });
  for (const { closed } of closing) t.same(await closed, { code: 4401, reason: 'token_stale' });
  for (const { socket, message } of staying) {
    socket.send('here');
    t.equal(await message(), 'here');
  }
});

t.test('a changed role closes the sockets whose tokens name it, and no others', async (t) => {
  const { open, issuer } = await openSetup(t);
  const closing = await open('/', issuer.token({ roles: ['viewer', 'sales'], rep: 1 }));
  const elsewhere = '0196f0aa-0000-7000-8000-0000000000cc';
  const staying = [
    await open('/', issuer.token({ roles: ['sales'], rep: 2 })),
    await open('/', issuer.token({ roles: ['sales'], rep: undefined })),
    await open('/', issuer.token({ roles: ['viewer'], rep: 1 })),
    await open('/', issuer.token({ roles: ['sales'], rep: 1, org: elsewhere })),
    await open('/', issuer.clientToken()),
  ];
  issuer.revoke({ kind: 'role', org: issuer.organizationId, role: 'sales', epoch: 2 });
  t.same(await closing.closed, { code: 4401, reason: 'token_stale' });
  for (const { socket, message } of staying) {
    socket.send('here');
    t.equal(await message(), 'here');
  }
});

t.test('when a user’s older token ends, a socket with a newer token stays open', async (t) => {
  const { open, issuer } = await openSetup(t);
  const older = await open('/', issuer.token({ epoch: 1 }));
  const newer = await open('/', issuer.token({ epoch: 2 }));
  issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 2 });
  t.same(await older.closed, { code: 4401, reason: 'token_stale' });
  newer.socket.send('here');
  t.equal(await newer.message(), 'here');
});

t.test('a handshake gets 401 if its token is revoked before the upstream answers', async (t) => {
  const upstream = await openUpstream(t);
  upstream.server.removeAllListeners('upgrade');
  const asked = once(upstream.server, 'upgrade');
  const { open, issuer, sidecar } = await openSetup(t, { upstream, settings: { handshakeSeconds: 100 } });
  const opening = refusal(open('/', issuer.token({ sid: SID })));
  const [, socket] = await asked;
  issuer.revoke({ kind: 'session', sid: SID });
  t.match(await opening, { status: 401, code: 'session_revoked' });
  socket.destroy();
  t.equal(sidecar.state().sockets, 0);
});

t.test('while the feed is silent, open sockets stay open until they expire, and new sockets are refused', async (t) => {
  const { open, issuer } = await openSetup(t);
  const client = await open('/', issuer.token({}, { life: 60 }));
  issuer.setStale(true);
  t.match(await refusal(open()), { status: 503, code: 'revocations_stale' });
  client.socket.send('still');
  t.equal(await client.message(), 'still');
  issuer.advance(60);
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
});

t.test('a client that does not answer the close frame is disconnected, and its slot is freed', async (t) => {
  const { open, issuer, sidecar } = await openSetup(t);
  const client = await open('/', issuer.token({ sid: SID }));
  client.socket.pause();
  issuer.revoke({ kind: 'session', sid: SID });
  await until(() => sidecar.state().sockets === 0);
  client.socket.resume();
  t.same(await client.closed, { code: 4401, reason: 'session_revoked' }, 'sent messages are still read');
});

t.test('a streamed answer to a plain request ends when its token is revoked', async (t) => {
  const answer = (_: unknown, response: { write(text: string): void }) => response.write('one');
  const { http, issuer, sidecar } = await openSetup(t, { upstreamOptions: { answer } });
  const headers = { authorization: `Bearer ${issuer.token({ sid: SID })}` };
  const sent = get(http, { headers });
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  await once(reply, 'data');
  t.equal(sidecar.state().requests, 1);
  const ended = once(reply, 'error');
  issuer.revoke({ kind: 'session', sid: SID });
  t.match((await ended)[0], { code: 'ECONNRESET' });
  t.equal(sidecar.state().requests, 0);
});

t.test('a plain request that waits for its answer gets 401 when its token is revoked', async (t) => {
  const upstream = await openUpstream(t, { answer: () => {} });
  const { http, issuer } = await openSetup(t, { upstream });
  const arrived = once(upstream.server, 'request');
  const reply = fetch(http, { headers: { authorization: `Bearer ${issuer.token({ sid: SID })}` } });
  await arrived;
  issuer.revoke({ kind: 'session', sid: SID });
  t.equal((await reply).status, 401);
  t.match(await (await reply).json(), { code: 'session_revoked' });
});

t.test('a plain request in progress can finish shortly after its token expires, and is then cut off', async (t) => {
  const upstream = await openUpstream(t, { answer: () => {} });
  const { http, issuer } = await openSetup(t, { upstream });
  const ask = async () => {
    const arrived = once(upstream.server, 'request');
    const reply = fetch(http, { headers: { authorization: `Bearer ${issuer.token({}, { life: 10 })}` } });
    const [, response] = await arrived;
    return { reply, response };
  };
  const short = await ask();
  issuer.advance(10);
  short.response.end('done');
  t.equal(await (await short.reply).text(), 'done');
  const long = await ask();
  issuer.advance(70);
  t.equal((await long.reply).status, 401);
});
