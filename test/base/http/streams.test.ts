// Answers that are sent in parts. Such an answer may take longer than the time limit of a request, and ends with its
// connection.
import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { preferredType } from '../../../src/base/headers/accept.ts';
import { endpoint, open } from '../../../src/base/http/endpoint.ts';
import { openServer } from '../../../src/base/http/server.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { requestHead } from '../../support/raw.ts';

const HANDLER_MS = 40;

/**
 * Starts a server whose only endpoint answers with a stream. Returns the server, the streams that the handler has
 * returned, and the URL of the endpoint.
 */
async function serving(t: Test, make: () => Readable) {
  const given: Readable[] = [];
  const app = await openServer({
    log: openLog({ level: 'silent', pretty: false }),
    endpoints: [
      endpoint({
        ...({ method: 'GET', url: '/probe', id: 'probe', summary: 'Probe', tag: 'Test' } as const),
        ...({ access: open(), streams: true, reply: { 200: { mediaType: 'text/plain' } } } as const),
        handle() {
          const stream = make();
          given.push(stream);
          return stream;
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
    handlerTimeoutMs: HANDLER_MS,
  });
  t.teardown(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, given, url: `${url}/probe` };
}

t.test('an answer that is sent in parts may take longer than the time limit of a request', async (t) => {
  async function* slowly() {
    for (let part = 0; part < 4; part += 1) {
      yield `${part} `;
      await delay(HANDLER_MS);
    }
  }
  const { url } = await serving(t, () => Readable.from(slowly()));
  t.equal(await (await fetch(url)).text(), '0 1 2 3 ');
});

t.test('an answer that is sent in parts ends with its connection', async (t) => {
  const { given, url } = await serving(t, () => {
    const stream = new PassThrough();
    stream.write('begun');
    return stream;
  });
  const closed = async (index: number) => {
    const stream = given[index] ?? (t.fail('nothing was given') as never);
    if (!stream.closed) await once(stream, 'close');
  };
  await t.test('when the reader disconnects', async () => {
    const abort = new AbortController();
    await fetch(url, { signal: abort.signal });
    abort.abort();
    await closed(0);
  });
  await t.test('after the answer to a HEAD, which has no body', async (t) => {
    t.equal(await (await fetch(url, { method: 'HEAD' })).text(), '');
    await closed(1);
  });
  await t.test('when the answer fails after some parts, and the reader gets an error', async (t) => {
    const response = await fetch(url);
    given[2]?.destroy(new Error('broken'));
    await t.rejects(response.text());
  });
});

t.test('closing does not wait for idle connections', async (t) => {
  const { app, url } = await serving(t, () => Readable.from(['all']));
  const { hostname, port } = new URL(url);
  const silent = connect(Number(port), hostname);
  const asked = connect(Number(port), hostname);
  t.teardown(() => [silent, asked].map((socket) => socket.destroy()));
  await Promise.all([once(silent, 'connect'), once(asked, 'connect')]);
  asked.write(requestHead('GET', '/probe'));
  await once(asked, 'data');
  const ended = once(silent, 'close');
  silent.resume();
  await app.close();
  await ended;
});

t.test('the Accept header selects one of the offered content types', async (t) => {
  const offered = ['application/json', 'text/event-stream'] as const;
  for (const [accept, wanted] of [
    [undefined, 'application/json'],
    ['', 'application/json'],
    [',;q=1,', 'application/json'],
    ['text/event-stream;q=0.001', 'text/event-stream'],
    ['text/event-stream;q=1.000, */*;q=0.999', 'text/event-stream'],
    ['text/event-stream;q=1.001, */*', 'application/json'],
    ['text/event-stream;q=-1, */*', 'application/json'],
    ['text/event-stream;q=NaN', 'application/json'],
    ['text/event-stream;level=1;q=0.3, application/json;q=0.2', 'text/event-stream'],
    ['text/event-stream\t;\tq=0.3, application/json;q=0.2', 'text/event-stream'],
    ['text/event-stream;q=0.1, text/*;q=0.9, application/json;q=0.5', 'application/json'],
    ['text/event-stream;q=0, text/*', null],
    ['image/png, text/html;q=0.9', null],
    [`${'a/b,'.repeat(200)}text/event-stream`, null],
  ] as const) {
    t.equal(preferredType(accept, offered), wanted, String(accept).slice(0, 60));
  }
});
