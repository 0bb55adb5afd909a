// The end of the sidecar: it accepts nothing new, closes the sockets one after the other, and finishes requests. Also
// its health routes.
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { openManagement } from '../../../src/sidecar/core/management.ts';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream, refusal } from '../open.ts';

/** A plain connection. `status` resolves to the status of the next answer. */
async function openRaw(t: Test, url: string) {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  let text = '';
  let seen = 0;
  socket.on('data', (chunk) => {
    text += chunk;
  });
  const end = once(socket, 'close');
  await once(socket, 'connect');
  return {
    end,
    text: () => text,
    write: (bytes: string) => void socket.write(bytes),
    async status() {
      seen += 1;
      const statuses = () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
      await until(() => statuses().length >= seen);
      return statuses()[seen - 1];
    },
  };
}

t.test('a drain closes every socket with 1001 on both sides, and resolves when all sockets are closed', async (t) => {
  const { open, sidecar, upstream } = await openSetup(t, { settings: { firstMessage: true } });
  const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
  clients.push(await open('/', null));
  const told = upstream.accepted.map(async ({ socket }) => (await once(socket, 'close'))[0]);
  await sidecar.close(1);
  for (const { closed } of clients) t.same(await closed, { code: 1001, reason: 'shutting_down' });
  t.same(await Promise.all(told), Array(20).fill(1001));
  t.match(sidecar.state(), { sockets: 0, requests: 0, isDraining: true });
  await t.rejects(open(), { code: 'ECONNREFUSED' });
});

t.test('a drain closes the sockets at intervals, and each socket works until it is closed', async (t) => {
  const { open, sidecar } = await openSetup(t);
  const clients = await Promise.all(Array.from({ length: 60 }, () => open()));
  const [first, last] = [clients[0], clients.at(-1)];
  const closing = sidecar.close(60); // one socket in each step, in the same process as the clients
  await first?.closed;
  last?.socket.send('still served');
  const next = await Promise.race([last?.message(), last?.closed]);
  t.equal(next, 'still served', 'the last socket works after the first was closed');
  t.ok(clients.filter(({ socket }) => socket.readyState === socket.OPEN).length > 30, 'most sockets are still open');
  for (const { socket } of clients) socket.terminate();
  await closing;
});

t.test('plain requests in progress finish during a drain, and their connections are closed afterwards', async (t) => {
  const waiting: { end(text: string): void }[] = [];
  const upstream = await openUpstream(t, { answer: (_, response) => void waiting.push(response) });
  const { http, issuer, sidecar } = await openSetup(t, { upstream });
  const arrived = once(upstream.server, 'request');
  const reply = fetch(http, { headers: { authorization: `Bearer ${issuer.token()}` } });
  await arrived;
  const closing = sidecar.close(5);
  waiting[0]?.end('done');
  t.equal(await (await reply).text(), 'done');
  await closing;
  t.equal(sidecar.state().requests, 0);
});

t.test('a drain waits for a request that does not end only until the time limit', async (t) => {
  const upstream = await openUpstream(t, { answer: () => {} });
  const { http, issuer, sidecar } = await openSetup(t, { upstream });
  const arrived = once(upstream.server, 'request');
  const reply = fetch(http, { headers: { authorization: `Bearer ${issuer.token()}` } });
  const lost = t.rejects(reply);
  await arrived;
  await sidecar.close(0.3);
  await lost;
});

t.test('a handshake in progress when the drain begins is answered with 503', async (t) => {
  const upstream = await openUpstream(t);
  const [listener] = upstream.server.listeners('upgrade');
  upstream.server.removeAllListeners('upgrade');
  const asked = once(upstream.server, 'upgrade');
  const { open, sidecar } = await openSetup(t, { upstream });
  const opening = refusal(open());
  const upgrade = await asked;
  const closing = sidecar.close(2);
  listener?.(...upgrade);
  t.match(await opening, { status: 503, code: 'shutting_down' });
  await closing;
});

t.test('clients that do not answer the close frame do not delay the end of a drain', async (t) => {
  const { open, sidecar } = await openSetup(t);
  const client = await open();
  client.socket.pause();
  await sidecar.close(0.1);
  client.socket.terminate();
  t.match(sidecar.state(), { sockets: 0 });
});

t.test('/healthz answers 200 while the process runs; /readyz reports whether sockets are accepted', async (t) => {
  const setup = await openSetup(t);
  const verifier = setup.issuer.verifier();
  const management = await openManagement({
    host: '127.0.0.1',
    port: 0,
    sidecar: setup.sidecar,
    verifier,
    maxStaleness: 30,
  });
  t.teardown(() => management.close());
  const ask = async (path: string, method = 'GET') => {
    const reply = await fetch(`http://127.0.0.1:${management.address.port}${path}`, { method });
    return [reply.status, method === 'HEAD' ? null : await reply.json()];
  };
  await setup.open();
  t.match(await ask('/readyz'), [
    200,
    { status: 'ready', sockets: 1, requests: 0, isDraining: false, staleSeconds: 0 },
  ]);
  t.match(await ask('/healthz'), [200, { status: 'alive' }]);
  t.match(await ask('/readyz', 'HEAD'), [200, null]);
  t.match(await ask('/readyz', 'POST'), [405]);
  t.match(await ask('/metrics'), [404]);
  setup.issuer.setStale(true);
  t.match(await ask('/readyz'), [503, { status: 'unavailable', staleSeconds: null }]);
  setup.issuer.setStale(false);
  await setup.sidecar.close(0);
  t.match(await ask('/readyz'), [503, { isDraining: true }]);
  t.match(await ask('/healthz'), [200]);
});

t.test('a sidecar that announces its end is not ready, and still accepts sockets and requests', async (t) => {
  const { open, http, issuer, sidecar } = await openSetup(t);
  const verifier = issuer.verifier();
  const at = { host: '127.0.0.1', port: 0, sidecar, verifier, maxStaleness: 30 };
  const management = await openManagement(at);
  t.teardown(() => management.close());
  const health = `http://127.0.0.1:${management.address.port}`;
  await until(async () => (await fetch(`${health}/readyz`)).status === 200);
  sidecar.announceEnd();
  t.match(sidecar.state(), { isDraining: true });
  t.equal((await fetch(`${health}/readyz`)).status, 503);
  t.equal((await fetch(`${health}/healthz`)).status, 200);
  const client = await open();
  client.socket.send('served');
  t.equal(await client.message(), 'served');
  const options = { headers: { authorization: `Bearer ${issuer.token()}` } };
  const reply = await fetch(http, options);
  t.same([reply.status, reply.headers.get('connection')], [200, 'keep-alive']);
  const closing = sidecar.close(60);
  t.same(await client.closed, { code: 1001, reason: 'shutting_down' });
  await closing;
});

t.test('a kept connection gets an answer during a drain, and the answer closes it', async (t) => {
  const { open, http, issuer, sidecar } = await openSetup(t);
  const fields = ['GET / HTTP/1.1', 'Host: a.test', `Authorization: Bearer ${issuer.token()}`];
  const kept = await openRaw(t, http);
  const request = `${fields.join('\r\n')}\r\n\r\n`;
  const { socket } = await open();
  kept.write(request);
  t.equal(await kept.status(), 200);
  const closing = sidecar.close(60); // the first socket closes at once, and the drain waits for the others
  kept.write(request);
  t.equal(await kept.status(), 200, 'a request on its way');
  await kept.end;
  t.match(kept.text(), /connection: close/i);
  socket.terminate();
  await closing;
});
