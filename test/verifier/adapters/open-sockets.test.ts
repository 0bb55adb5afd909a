// What happens to open sockets of the package `ws` when their tokens expire or are revoked, over loopback.
import { once } from 'node:events';
import t from 'tap';
import { WebSocket } from 'ws';
import { CLOSE_UNAUTHENTICATED, closeWhenRevoked, principalOf } from '../../../src/verifier/adapters/websocket.ts';
import { begin, closing, mayListen } from './websocket-server.ts';

t.test('each kind of revocation closes the sockets that it affects, with its reason, and no others', async (t) => {
  const { issuer, open } = await begin(t);
  const [sid, sub, org] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
  const bystander = await open(issuer.token());
  const elsewhere = await open(issuer.token({ sub: org, org: sid }));
  const cases = [
    [await open(issuer.token({ sid })), { kind: 'session', sid }, 'session_revoked'],
    [await open(issuer.token({ sub })), { kind: 'user', sub, epoch: 2 }, 'token_stale'],
    [
      await open(issuer.token({ sub: org })),
      { kind: 'membership', sub: org, org: issuer.organizationId, epoch: 2 },
      'token_stale',
    ],
    [
      await open(issuer.token({ roles: ['sales'] })),
      { kind: 'role', org: issuer.organizationId, role: 'sales', epoch: 2 },
      'token_stale',
    ],
    [await open(issuer.clientToken()), { kind: 'client', client_id: issuer.clientId, epoch: 2 }, 'token_stale'],
    [
      await open(issuer.token({ org })),
      { kind: 'organization', org, state: 'suspended', at: 1 },
      'organization_suspended',
    ],
  ] as const;
  for (const [{ client, server }, revocation, reason] of cases) {
    const closed = closing(client);
    issuer.revoke(revocation);
    t.same(await closed, { code: CLOSE_UNAUTHENTICATED, reason });
    t.equal(principalOf(server), null);
  }
  t.equal(bystander.client.readyState, WebSocket.OPEN);
  t.equal(elsewhere.client.readyState, WebSocket.OPEN, 'the same user in another organization');
  const closed = closing(bystander.client);
  issuer.revoke({ kind: 'everything', not_before: Math.floor(issuer.now() / 1000) + 1 });
  t.same(await closed, { code: 4401, reason: 'session_revoked' });
});

t.test('a revoked key closes every socket whose newest token it signed, and no others', async (t) => {
  const { issuer, open } = await begin(t);
  const sid = crypto.randomUUID();
  const renewed = await open(issuer.token({ sid }));
  const [user, client] = [await open(issuer.token()), await open(issuer.clientToken())];
  issuer.rotate();
  const spared = await open(issuer.token());
  issuer.advance(1);
  await renewed.guard.renew(issuer.token({ sid }));
  const kid = String(user.guard.principal.keyId);
  const closed = [closing(user.client), closing(client.client)];
  issuer.revoke({ kind: 'key', kid });
  for (const end of closed) t.same(await end, { code: 4401, reason: 'invalid_token' });
  t.equal(principalOf(user.server), null);
  for (const { client: open } of [spared, renewed]) {
    open.send('still here');
    t.equal(String((await once(open, 'message'))[0]), 'heard still here');
  }
  await t.rejects(spared.guard.renew(issuer.token({}, { header: { kid } })), { code: 'invalid_token' });
});

t.test('a socket is closed when its token expires, and a new token keeps the socket open', async (t) => {
  const { issuer, open } = await begin(t);
  const sid = crypto.randomUUID();
  const left = await open(issuer.token());
  const kept = await open(issuer.token({ sid }));
  issuer.advance(600);
  const principal = await kept.guard.renew(issuer.token({ sid, permissions: ['deals:listen'] }));
  t.equal(kept.guard.principal, principal);
  t.equal(principalOf(kept.server), principal);
  const closed = closing(left.client);
  issuer.advance(306);
  t.same(await closed, { code: 4401, reason: 'token_expired' });
  kept.client.send('still here');
  t.equal(String((await once(kept.client, 'message'))[0]), 'heard still here');
  const ended = closing(kept.client);
  issuer.revoke({ kind: 'session', sid });
  t.same(await ended, { code: 4401, reason: 'session_revoked' }, 'the socket ends with its newest token');
});

t.test('only a valid token of the same user and organization that expires no earlier renews a socket', async (t) => {
  const { issuer, open } = await begin(t);
  const { client, server, guard } = await open(issuer.token());
  const before = guard.principal;
  const sid = crypto.randomUUID();
  issuer.revoke({ kind: 'session', sid });
  const refusals: [string, string][] = [
    [issuer.token({ sub: crypto.randomUUID() }), 'other_subject'],
    [issuer.clientToken({ sub: issuer.clientId }), 'other_subject'],
    [issuer.token({ org: crypto.randomUUID() }), 'other_organization'],
    [issuer.token({ org: undefined }), 'other_organization'],
    [issuer.token({}, { life: 899 }), 'token_older'],
    [issuer.token({ sid }), 'session_revoked'],
    [issuer.expiredToken(), 'token_expired'],
    ['x', 'invalid_token'],
    [undefined as never, 'unauthenticated'],
  ];
  for (const [token, code] of refusals) await t.rejects(guard.renew(token), { code }, code);
  t.equal(guard.principal, before);
  t.equal(principalOf(server), before);
  t.equal(client.readyState, WebSocket.OPEN, 'the previous token stays in use');
  const closed = once(server, 'close');
  client.close();
  await closed;
  await t.rejects(guard.renew(issuer.token()), { code: 'socket_closed' });
  t.equal(principalOf(server), null);
});

t.test('the permission of each message is checked with the newest token', async (t) => {
  const { issuer, open } = await begin(t);
  const sid = crypto.randomUUID();
  const { server, guard } = await open(issuer.token({ sid }));
  await t.rejects(mayListen(server), { code: 'permission_denied', status: 403 });
  issuer.advance(1);
  await guard.renew(issuer.token({ sid, permissions: ['deals:listen'] }));
  await t.resolves(mayListen(server));
  issuer.advance(906);
  await t.rejects(mayListen(server), { code: 'token_expired' });
  issuer.revoke({ kind: 'session', sid });
  await t.rejects(mayListen(server), { code: 'unauthenticated' }, 'a closed socket has no principal');
  await t.rejects(mayListen({}), { code: 'unauthenticated' }, 'a socket that was never accepted has no principal');
});

t.test('no message of a revoked socket is delivered, and a client that ignores the close is cut off', async (t) => {
  const { issuer, open } = await begin(t);
  const sid = crypto.randomUUID();
  const { client, server } = await open(issuer.token({ sid }));
  const heard: string[] = [];
  server.on('message', (data) => heard.push(String(data)));
  // The client does not read the close frame, and continues to send.
  client.pause();
  const closed = once(server, 'close');
  issuer.revoke({ kind: 'session', sid });
  server.on('message', (data) => heard.push(`late ${data}`));
  for (let count = 0; count < 50; count += 1) client.send(`message ${count}`);
  await closed;
  t.same(heard, []);
});

t.test('a token that is revoked during the handshake closes the socket at once', async (t) => {
  const { issuer, verifier, sockets, dial } = await begin(t);
  const sid = crypto.randomUUID();
  const principal = await verifier.verify(issuer.token({ sid }));
  issuer.revoke({ kind: 'session', sid });
  const connected = once(sockets, 'connection');
  const client = dial({ headers: { authorization: `Bearer ${issuer.token()}` } });
  const closed = closing(client);
  const [server] = await connected;
  closeWhenRevoked(verifier, server, principal);
  t.same(await closed, { code: 4401, reason: 'session_revoked' });
});
