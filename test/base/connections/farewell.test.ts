// A server that stops loses no request: it answers the requests on their way, tells clients to close, and closes only
// connections without a request.
import { once } from 'node:events';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { endpoint, open } from '../../../src/base/http/endpoint.ts';
import { type Farewell, openServer } from '../../../src/base/http/server.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { openRaw, requestHead, sendRaw } from '../../support/raw.ts';
import { until } from '../../support/until.ts';

/** Longer than any test, so no connection is closed for being idle. */
const LONG_MS = 600_000;
const GET = requestHead('GET', '/quick');

async function serving(t: Test, handlerTimeoutMs = LONG_MS) {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let begun = 0;
  const common = { method: 'GET', access: open(), summary: 'Probe', tag: 'Test' } as const;
  const reply = { 200: z.strictObject({}) };
  const app = await openServer({
    log: openLog({ level: 'silent', pretty: false }),
    endpoints: [
      endpoint({ ...common, url: '/quick', id: 'quick', reply, handle: () => ({}) }),
      endpoint({
        ...common,
        url: '/slow',
        id: 'slow',
        reply,
        async handle() {
          begun += 1;
          await released;
          return {};
        },
      }),
    ],
    guard: {
      authenticate: () => Promise.reject(new Error('nobody is asked')),
      actFor: () => Promise.reject(new Error('nobody acts')),
      holds: () => false,
      isPlatformAdministrator: async () => false,
    },
    translate: () => null,
    limits: { enabled: false, signIn: 1, session: 1, other: 1, organization: 1, client: 1 },
    corsOrigins: [],
    trustedProxies: [],
    https: false,
    handlerTimeoutMs,
  });
  t.teardown(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, url, release, begun: () => begun, farewell: app.getDecorator<Farewell>('farewell') };
}

t.test(
  'while connections end, requests on their way are answered, and the answers close their connections',
  async (t) => {
    const { url, release, begun, farewell } = await serving(t);
    const [slow, used, unused] = [await openRaw(t, url), await openRaw(t, url), await openRaw(t, url)];
    used.write(GET);
    t.notMatch((await used.next())?.headers.get('connection') ?? '', 'close', 'before that a connection is kept');
    slow.write(requestHead('GET', '/slow'));
    await until(() => begun() === 1);

    let isOver = false;
    const ending = farewell({ idleMs: LONG_MS }).then(() => {
      isOver = true;
    });
    for (const connection of [used, unused]) {
      connection.write(GET);
      const reply = await connection.next();
      t.same([reply?.status, reply?.headers.get('connection')], [200, 'close'], 'a request on an open connection');
      t.equal(await connection.ended(), 0);
    }
    const fresh = await sendRaw(url, GET);
    t.same([fresh.status, fresh.headers.get('connection')], [200, 'close'], 'a new connection');
    t.notOk(isOver, 'the server waits for the slow request');
    release();
    const last = await slow.next();
    t.same([last?.status, last?.headers.get('connection')], [200, 'close'], 'its answer is complete');
    await ending;
  },
);

t.test(
  'requests that were sent together are all answered, and only the last answer closes the connection',
  async (t) => {
    const { url, release, begun, farewell } = await serving(t);
    const connection = await openRaw(t, url);
    connection.write(requestHead('GET', '/slow') + GET);
    await until(() => begun() === 1);
    const ending = farewell({ idleMs: LONG_MS });
    connection.write(GET + requestHead('GET', '/slow'));
    await until(() => begun() === 2);
    release();
    const replies = [
      await connection.next(),
      await connection.next(),
      await connection.next(),
      await connection.next(),
    ];
    t.same(
      replies.map((reply) => [reply?.status, reply?.headers.get('connection')]),
      [...Array(3).fill([200, 'keep-alive']), [200, 'close']],
    );
    await ending;
  },
);

t.test('idle connections end after their time, and then no connection is accepted', async (t) => {
  const { url, farewell } = await serving(t);
  const [used, unused] = [await openRaw(t, url), await openRaw(t, url)];
  used.write(GET);
  t.equal((await used.next())?.status, 200);
  await farewell({ idleMs: 50 });
  t.same([await used.ended(), await unused.ended()], [0, 0]);
  const { hostname, port } = new URL(url);
  const late = connect(Number(port), hostname);
  const [error] = await once(late, 'error');
  t.equal(error.code, 'ECONNREFUSED');
});

t.test('a request that never ends does not prevent the end of the server', async (t) => {
  const { app, url, begun } = await serving(t, 400);
  const connection = await openRaw(t, url);
  connection.write(requestHead('GET', '/slow'));
  await until(() => begun() === 1);
  await app.close();
  const reply = await connection.next();
  t.same([reply?.status, reply?.headers.get('connection')], [503, 'close'], 'it got the answer of its deadline');
});
