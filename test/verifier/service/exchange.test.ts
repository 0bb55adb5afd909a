// One request of the verifier: its time and size are limited, whatever the server does, and it follows no redirect.
import { createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { SYSTEM_TIMING } from '../../../src/verifier/core/clock.ts';
import { exchange } from '../../../src/verifier/service/http.ts';
import { until } from '../../support/until.ts';
import { openLocalServer } from '../local-server.ts';
import { createManualTiming } from '../manual-timing.ts';

const deps = { fetch: (url: string, init: RequestInit) => fetch(url, init), timing: SYSTEM_TIMING };
const bounds = { timeoutMilliseconds: 5000, bytesMax: 1000 };

async function opened(t: Test) {
  const elsewhere = await openLocalServer(t, (_, response) => response.end('secret'));
  const server = await openLocalServer(t, ({ path }, response) => {
    if (path.startsWith('/moved')) response.writeHead(Number(path.slice(6)), { location: elsewhere.url }).end();
    else if (path === '/long') response.end('x'.repeat(1001));
    else if (path === '/endless') {
      const write = () => response.destroyed || response.write('x'.repeat(500), write);
      write();
    } else if (path === '/bomb') {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(10_000_000)));
    } else if (path === '/cut') {
      response.writeHead(200, { 'content-length': '500' });
      response.write('x', () => response.destroy());
    } else if (path === '/drip') response.write('x');
    else if (path !== '/silent') response.writeHead(418).end('a'.repeat(1000));
  });
  return { server, elsewhere };
}

t.test('an answer within the size limit is read completely', async (t) => {
  const { server } = await opened(t);
  const { status, text } = await exchange(deps, { ...bounds, url: `${server.url}/good` });
  t.equal(status, 418);
  t.equal(text.length, 1000);
});

t.test('a redirect is refused, and no request is sent to its target', async (t) => {
  const { server, elsewhere } = await opened(t);
  for (const status of [301, 302, 303, 307, 308]) {
    await t.rejects(exchange(deps, { ...bounds, url: `${server.url}/moved${status}` }), /redirect/, String(status));
  }
  t.same(elsewhere.asked, []);
});

t.test('an answer that is too long, endless, expands too much or is cut off is refused', async (t) => {
  const { server } = await opened(t);
  for (const path of ['/long', '/endless', '/bomb']) {
    await t.rejects(exchange(deps, { ...bounds, url: server.url + path }), /longer than 1000 bytes/, path);
  }
  await t.rejects(exchange(deps, { ...bounds, url: `${server.url}/cut` }), /cannot be read: terminated/);
  await until(() => server.open() === 0);
});

t.test('the wait for an answer and for the end of an answer has a time limit', async (t) => {
  const { server } = await opened(t);
  for (const path of ['/silent', '/drip']) {
    const timing = createManualTiming();
    const asked = server.asked.length;
    const outcome = exchange({ ...deps, timing }, { ...bounds, url: server.url + path }).catch(
      (error: Error) => error.message,
    );
    await until(() => server.asked.length > asked);
    await timing.advance(4.9);
    t.equal(await Promise.race([outcome, 'waiting']), 'waiting', path);
    await timing.advance(0.2);
    t.match(await outcome, /did not answer within 5000 ms/, path);
  }
  await until(() => server.open() === 0);
});

t.test('if a server is unreachable, the error names the server and the reason', async (t) => {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  const url = `http://127.0.0.1:${port}/jwks`;
  await t.rejects(exchange(deps, { ...bounds, url }), {
    message: new RegExp(`^${url} cannot be read: .*ECONNREFUSED`),
  });
});
