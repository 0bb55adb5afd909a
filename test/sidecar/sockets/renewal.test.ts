// A client renews its token on an open socket, and keeps the connection.
import t from 'tap';
import { type Client, openSetup, openUpstream } from '../open.ts';

const [SID, OTHER_SID] = ['0196f0aa-0000-7000-8000-000000000001', '0196f0aa-0000-7000-8000-000000000002'];
const OTHER = '0196f0aa-0000-7000-8000-0000000000aa';

async function renew(client: Client, token: unknown): Promise<unknown> {
  client.socket.send(JSON.stringify({ event: 'authenticate', data: { token } }));
  return JSON.parse(String(await client.message()));
}

function isoOf(token: string): string {
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp: number };
  return new Date(exp * 1000).toISOString();
}

t.test('each new token keeps the socket open past the expiry of the old token', async (t) => {
  const { open, issuer, upstream } = await openSetup(t);
  const client = await open('/', issuer.token({ sid: SID }, { life: 60 }));
  for (let round = 0; round < 5; round += 1) {
    issuer.advance(50);
    const token = issuer.token({ sid: SID }, { life: 60 });
    t.same(await renew(client, token), { event: 'authenticated', data: { expiresAt: isoOf(token) } });
  }
  t.same(
    await renew(client, issuer.token({ sid: SID }, { life: 60 })),
    {
      event: 'authenticated',
      data: { expiresAt: isoOf(issuer.token({}, { life: 60 })) },
    },
    'a token with an equal expiry is accepted',
  );
  client.socket.send('still here');
  t.equal(await client.message(), 'still here');
  t.equal(upstream.accepted.length, 1);
  issuer.advance(60);
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
});

t.test('the upstream never receives a renewal message, whether it is valid, invalid, fragmented or huge', async (t) => {
  const upstream = await openUpstream(t, { echo: false });
  const { open, issuer } = await openSetup(t, { upstream });
  const heard: string[] = [];
  const accepting = upstream.next();
  const client = await open();
  const { socket } = await accepting;
  socket.on('message', (data) => heard.push(data.toString()));
  const token = issuer.token({}, { life: 900 });
  const frames = [
    JSON.stringify({ event: 'authenticate', data: { token } }),
    ` \n\t{ "data": {"token": "${token}"}, "event" : "authenticate" }`,
    `{"\\u0065vent":"\\u0061uthenticate","data":{"token":"${token}"}}`,
    '{"event":"authenticate"}',
    '{"event":"authenticate","data":null}',
    '{"event":"authenticate","data":{"token":""}}',
    '{"event":"authenticate","data":{"token":{"a":1}}}',
    `{"event":"authenticate","data":{"token":"${'x'.repeat(100_000)}"}}`,
  ];
  const answers: string[] = [];
  for (const frame of frames) {
    client.socket.send(frame);
    answers.push(String(await client.message()));
  }
  const codes = answers.map((text) => JSON.parse(text)).map(({ event, data }) => data?.code ?? event);
  t.same(codes, [...Array(3).fill('authenticated'), ...Array(5).fill('malformed_frame')]);
  client.socket.send('end');
  socket.once('message', () => socket.close());
  await client.closed;
  t.same(heard, ['end']);
});

t.test('a message that only resembles a renewal goes to the upstream unchanged', async (t) => {
  const { open } = await openSetup(t);
  const client = await open();
  for (const message of [
    '{"event":"authenticated"}',
    '{"event":"chat","data":"authenticate"}',
    '[{"event":"authenticate"}]',
    '"authenticate"',
    '{"event":"authenticate"',
    'authenticate',
    '{"data":{"event":"authenticate","data":{"token":"x"}}}',
    `{"event":"chat","data":"${'authenticate '.repeat(10_000)}"}`,
    '42["authenticate",{"token":"x"}]',
    Buffer.from('{"event":"authenticate","data":{"token":"x"}}'),
    '',
    '{',
  ]) {
    client.socket.send(message);
    t.same(await client.message(), message);
  }
});

t.test('an invalid renewal is refused with the reason, and the old token stays in use until it ends', async (t) => {
  const { open, issuer } = await openSetup(t);
  issuer.advance(100);
  const session = { sid: SID, permissions: ['deals:read'], roles: ['Agent'] };
  const client = await open('/', issuer.token(session, { life: 600 }));
  issuer.revoke({ kind: 'session', sid: OTHER_SID });
  const cases: [unknown, string][] = [
    ['nonsense', 'invalid_token'],
    [issuer.expiredToken(session), 'token_expired'],
    [issuer.token({ ...session, aud: 'another' }), 'invalid_token'],
    [issuer.token({ ...session, sub: OTHER }), 'other_subject'],
    [issuer.clientToken({ permissions: ['deals:read'] }), 'other_subject'],
    [issuer.token({ ...session, org: OTHER }), 'other_organization'],
    [issuer.token({ ...session, sid: OTHER_SID }), 'session_revoked'],
    [issuer.token(session, { life: 599 }), 'token_older'],
    [issuer.token({ ...session, permissions: ['deals:*'] }), 'rights_changed'],
  ];
  for (const [token, code] of cases) t.same(await renew(client, token), { event: 'error', data: { code } });
  const other = await open('/', issuer.token(session, { life: 600 }));
  t.same(await renew(other, issuer.token({ ...session, roles: [] })), {
    event: 'error',
    data: { code: 'rights_changed' },
  });
  issuer.setStale(true);
  t.same(await renew(other, issuer.token(session)), { event: 'error', data: { code: 'revocations_stale' } });
  issuer.setStale(false);
  client.socket.send('still here');
  t.equal(await client.message(), 'still here');
  issuer.advance(600);
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
});

t.test('a socket ends when the session that opened it or the session that renewed it ends', async (t) => {
  const { open, issuer } = await openSetup(t);
  const opened = await open('/', issuer.token({ sid: SID }, { life: 500 }));
  for (const token of [issuer.token(), issuer.token()]) t.match(await renew(opened, token), { event: 'authenticated' });
  issuer.revoke({ kind: 'session', sid: SID });
  t.same(await opened.closed, { code: 4401, reason: 'session_revoked' });
  const client = await open('/', issuer.token({}, { life: 500 }));
  t.match(await renew(client, issuer.token({ sid: OTHER_SID })), { event: 'authenticated' });
  issuer.revoke({ kind: 'session', sid: OTHER_SID });
  t.same(await client.closed, { code: 4401, reason: 'session_revoked' });
});

t.test('a renewed socket has the epoch of its newest token, and survives the revocation of older epochs', async (t) => {
  const { open, issuer } = await openSetup(t);
  const client = await open('/', issuer.token({ sid: SID, epoch: 1 }, { life: 500 }));
  t.match(await renew(client, issuer.token({ sid: SID, epoch: 2 })), { event: 'authenticated' });
  issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 2 });
  client.socket.send('still here');
  t.equal(await client.message(), 'still here');
  issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 3 });
  t.same(await client.closed, { code: 4401, reason: 'token_stale' });
});

t.test('if several tokens are sent at the same time, the token with the latest expiry counts', async (t) => {
  const { open, issuer } = await openSetup(t);
  const client = await open('/', issuer.token({}, { life: 100 }));
  const lives = [300, 200, 400, 150];
  for (const life of lives) {
    client.socket.send(JSON.stringify({ event: 'authenticate', data: { token: issuer.token({}, { life }) } }));
  }
  for (const _ of lives) await client.message();
  issuer.advance(399);
  client.socket.send('still here');
  let text = await client.message();
  while (text !== 'still here') text = await client.message();
  issuer.advance(1);
  t.same(await client.closed, { code: 4401, reason: 'token_expired' });
});

t.test('the sidecar checks only a limited number of renewal messages in a flood', async (t) => {
  const { open, issuer } = await openSetup(t);
  const client = await open();
  for (let count = 0; count < 10; count += 1) {
    t.same(await renew(client, `nonsense ${count}`), { event: 'error', data: { code: 'invalid_token' } });
  }
  t.same(await renew(client, issuer.token()), { event: 'error', data: { code: 'too_many_requests' } });
  issuer.advance(10);
  t.match(await renew(client, issuer.token()), { event: 'authenticated' });
});

t.test('the answers for a client that renews endlessly and reads nothing have a limit', async (t) => {
  const { open, upstream } = await openSetup(t);
  const client = await open();
  client.socket.pause();
  const asked = 600_000;
  const heard = new Promise((resolve) => upstream.accepted[0]?.socket.once('message', resolve));
  for (let sent = 1; sent <= asked; sent += 1) {
    const passed = new Promise((resolve) => client.socket.send('{"event":"authenticate"}', resolve));
    if (sent % 1000 === 0) await passed;
  }
  client.socket.send('the end');
  await heard;
  client.socket.resume();
  while ((await client.message()) !== 'the end');
  // Without a limit every request would have an answer. Fewer than half of the requests have one.
  t.ok(client.messages.length < asked / 2, `${client.messages.length} answers`);
});
