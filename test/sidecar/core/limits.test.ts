// How many sockets can be open at the same time, in total and for one user.
import { once } from 'node:events';
import t from 'tap';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream, refusal } from '../open.ts';

const OTHER = '0196f0aa-0000-7000-8000-0000000000aa';

t.test('the sockets of one user, over all sessions, have a limit that does not affect other users', async (t) => {
  const { open, issuer, sidecar } = await openSetup(t, { settings: { socketsPerUserMax: 2 } });
  const first = await open();
  await open();
  const reply = await refusal(open());
  t.match(reply, { status: 429, code: 'too_many_sockets' });
  t.match(reply.headers['retry-after'], /^[1-9]/);
  await open('/', issuer.token({ sub: OTHER }));
  await open('/', issuer.clientToken());
  first.socket.close();
  await first.closed;
  await until(() => sidecar.state().sockets === 3);
  await open();
  t.match(await refusal(open()), { status: 429 });
});

t.test('beyond the total limit a handshake gets 503, and an invalid token uses no slot', async (t) => {
  const { open, issuer } = await openSetup(t, { settings: { socketsMax: 2 } });
  await open();
  t.match(await refusal(open('/', 'nonsense')), { status: 401 });
  await open('/', issuer.token({ sub: OTHER }));
  const reply = await refusal(open());
  t.match(reply, { status: 503, code: 'sidecar_full' });
  t.match(reply.headers['retry-after'], /^[1-9]/);
});

t.test('simultaneous handshakes cannot exceed the limit together', async (t) => {
  const { open, sidecar, upstream } = await openSetup(t, { settings: { socketsPerUserMax: 5 } });
  const token = undefined;
  const all = await Promise.allSettled(Array.from({ length: 40 }, () => open('/', token)));
  t.equal(all.filter(({ status }) => status === 'fulfilled').length, 5);
  t.equal(upstream.accepted.length, 5);
  t.equal(sidecar.state().sockets, 5);
});

t.test('the slot of a socket is free again, however the socket ended', async (t) => {
  const { open, issuer, sidecar, upstream } = await openSetup(t, { settings: { socketsPerUserMax: 30 } });
  const clients = [];
  for (let index = 0; index < 30; index += 1) clients.push(await open('/', issuer.token({}, { life: 60 })));
  for (const [index, { socket }] of clients.entries()) {
    if (index % 5 === 0) socket.close();
    if (index % 5 === 1) socket.terminate();
    if (index % 5 === 2) upstream.accepted[index]?.socket.close(1000);
    if (index % 5 === 3) upstream.accepted[index]?.socket.terminate();
  }
  issuer.advance(60);
  await Promise.all(clients.map(({ closed }) => closed));
  await until(() => sidecar.state().sockets === 0);
  for (let index = 0; index < 30; index += 1) await open();
  t.equal(sidecar.state().sockets, 30);
});

t.test('plain requests in progress have their own limit, and are counted separately from sockets', async (t) => {
  const waiting: { end(text: string): void }[] = [];
  const upstream = await openUpstream(t, { answer: (_, response) => void waiting.push(response) });
  const { open, http, issuer, sidecar } = await openSetup(t, { upstream, settings: { socketsPerUserMax: 2 } });
  const headers = { authorization: `Bearer ${issuer.token()}` };
  const ask = async () => {
    const arrived = once(upstream.server, 'request');
    const reply = fetch(http, { headers });
    await arrived;
    return reply;
  };
  const replies = [ask(), ask()];
  await until(() => waiting.length === 2);
  const refused = await fetch(http, { headers });
  t.equal(refused.status, 429);
  t.match(await refused.json(), { code: 'too_many_sockets' });
  await open();
  for (const response of waiting) response.end('done');
  for (const reply of await Promise.all(replies)) t.equal(await reply.text(), 'done');
  await until(() => sidecar.state().requests === 0);
  const third = ask();
  await until(() => waiting.length === 3);
  waiting[2]?.end('done');
  t.equal((await third).status, 200);
});
