// Handshakes with the adapter for the package `ws`, over loopback.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import { WebSocket } from 'ws';
import { principalOf, refuseUpgrade, requirePermission } from '../../../src/verifier/adapters/websocket.ts';
import { begin } from './websocket-server.ts';

/** Returns the answer to a refused handshake. */
async function refusal(client: WebSocket) {
  const [, response] = await once(client, 'unexpected-response');
  let text = '';
  for await (const piece of response) text += piece;
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) };
}

t.test('a handshake with a valid token opens the socket as the user of the token', async (t) => {
  const { issuer, open } = await begin(t);
  const { client, server } = await open(issuer.token());
  t.equal(principalOf(server)?.id, issuer.userId);
  client.send('hello');
  t.equal(String((await once(client, 'message'))[0]), 'heard hello');
});

t.test('a browser can send the token as a subprotocol, and the answer does not repeat the token', async (t) => {
  const { issuer, dial, sockets } = await begin(t);
  const connected = once(sockets, 'connection');
  const client = dial({}, [`bearer.${issuer.token()}`, 'deals.v1']);
  await once(client, 'open');
  t.equal(client.protocol, 'deals.v1', 'the selected protocol is not the token');
  const [socket, request] = await connected;
  t.equal(principalOf(socket)?.id, issuer.userId);
  t.equal(request.headers['sec-websocket-protocol'], 'deals.v1');
  t.match(await refusal(dial({}, ['bearer.a.b.c', 'deals.v1'])), { status: 401, body: { code: 'invalid_token' } });
});

t.test('a handshake without a valid token gets 401, and no socket is opened', async (t) => {
  const { issuer, dial, sockets } = await begin(t);
  sockets.on('connection', () => t.fail('a socket was opened'));
  const send = (authorization: string | string[]) => refusal(dial({ headers: { authorization } as never }));
  const none = await refusal(dial());
  t.match(none, { status: 401, body: { code: 'unauthenticated', status: 401 } });
  t.match(none.headers, { 'www-authenticate': 'Bearer', 'content-type': 'application/problem+json; charset=utf-8' });
  t.match(none.headers, { 'cache-control': 'no-store', connection: 'close' });
  const [good, other] = [issuer.token(), issuer.token()];
  t.match(await send(`Basic ${good}`), { status: 401, body: { code: 'invalid_token' } });
  t.match(await send(issuer.expiredToken()), { status: 401, body: { code: 'invalid_token' } }, 'no scheme');
  t.match(await send(`Bearer ${issuer.expiredToken()}`), { status: 401, body: { code: 'token_expired' } });
  t.match(
    await send([`Bearer ${good}`, `Bearer ${good}`]),
    { status: 401, body: { code: 'invalid_token' } },
    'doubled',
  );
  t.match(await send([`Bearer ${good}`, 'Basic eDp5']), { status: 401, body: { code: 'invalid_token' } }, 'doubled');
  const twice = [`bearer.${good}`, `bearer.${other}`, 'deals.v1'];
  t.match(await refusal(dial({}, twice)), { status: 401, body: { code: 'invalid_token' } }, 'two subprotocols');
  const both = dial({ headers: { authorization: `Bearer ${good}` } }, [`bearer.${other}`, 'deals.v1']);
  t.match(
    await refusal(both),
    { status: 401, body: { code: 'invalid_token' } },
    'a token in the header and a token in the subprotocol',
  );
});

t.test('a token in the query is ignored', async (t) => {
  const { issuer, dial } = await begin(t);
  const client = dial({}, [], `/?access_token=${issuer.token()}&token=${issuer.token()}`);
  t.match(await refusal(client), { status: 401, body: { code: 'unauthenticated' } });
});

t.test('while revocations are unknown, a new socket gets 503 and an open socket stays open', async (t) => {
  const { issuer, dial, open } = await begin(t);
  const { client } = await open(issuer.token());
  issuer.setStale(true);
  const { status, headers, body } = await refusal(dial({ headers: { authorization: `Bearer ${issuer.token()}` } }));
  t.match({ status, code: body.code }, { status: 503, code: 'revocations_stale' });
  t.match(headers['retry-after'], /^[1-9][0-9]*$/);
  t.notOk('www-authenticate' in headers);
  client.send('still here');
  t.equal(String((await once(client, 'message'))[0]), 'heard still here');
});

t.test('a handshake can require a permission, which is read from the token or the service', async (t) => {
  const { issuer, dial } = await begin(t);
  const dialAs = (token: string) => dial({ headers: { authorization: `Bearer ${token}` } }, [], '/deals');
  const { status, headers, body } = await refusal(dialAs(issuer.token()));
  t.match({ status, code: body.code }, { status: 403, code: 'permission_denied' });
  t.equal(headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="deals:listen"');
  t.equal((await refusal(dialAs(issuer.token({ permissions_ref: true })))).status, 403);
  issuer.grant(issuer.userId, 'deals:listen');
  await once(dialAs(issuer.token({ permissions_ref: true })), 'open');
  await once(dialAs(issuer.token({ permissions: ['deals:*'] })), 'open');
});

t.test('a connection that breaks while its token is checked does not affect other connections', async (t) => {
  let ask = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  let answer = (_answer: Response) => {};
  const fetch = () => {
    ask();
    return new Promise<Response>((resolve) => {
      answer = resolve;
    });
  };
  const { issuer, port, server, open } = await begin(t, { fetch });
  const accepted = once(server, 'connection');
  const client = connect(port, '127.0.0.1').on('error', () => {});
  const token = issuer.token({ permissions_ref: true });
  const lines = ['GET /deals HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket'];
  client.write(`${lines.join('\r\n')}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  const [connection] = await accepted;
  const broken = new Promise((resolve) => connection.once('close', resolve));
  await asked;
  client.resetAndDestroy();
  await broken;
  answer(Response.json({ data: { allowed: true } }));
  await open(issuer.token());
});

t.test('any other error is answered with 500 and without details', async (t) => {
  const server = createServer();
  server.on('upgrade', (_request, socket) => refuseUpgrade(socket, new Error('the secret is 7')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const { status, body } = await refusal(client);
  t.equal(status, 500);
  t.notMatch(JSON.stringify(body), /secret/);
});

t.test('an invalid permission is refused when the check is created', async (t) => {
  for (const wrong of ['', 'deals', 'deals:*', 'Deals:write', 'a:b\n']) {
    t.throws(() => requirePermission(wrong), TypeError, JSON.stringify(wrong));
  }
});
