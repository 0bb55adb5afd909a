// A request has a deadline, whatever its method, body and guard. What an operation returns after the deadline is not
// sent, and the connection stays in order: each answer belongs to its request.
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { endpoint, open, type Answer as PreparedAnswer, signedIn } from '../../../src/base/http/endpoint.ts';
import type { Authenticate } from '../../../src/base/http/mount.ts';
import { openServer } from '../../../src/base/http/server.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { openRaw, type RawReply, refused, requestHead, sendRaw } from '../../support/raw.ts';
import { until } from '../../support/until.ts';

const SHORT_MS = 1_000;
const Body = z.strictObject({ name: z.string().default('') });
const Answer = z.strictObject({ name: z.string() });

/** An operation that waits until the test lets it continue. */
class Held {
  readonly signals: AbortSignal[] = [];
  readonly #released = Promise.withResolvers<void>();
  #ended = Promise.withResolvers<void>();
  handle = async ({ answer, signal }: { readonly answer: PreparedAnswer; readonly signal: AbortSignal }) => {
    this.signals.push(signal);
    answer.header('set-cookie', 'late=1');
    await this.#released.promise;
    answer.header('x-late', '1');
    answer.status(201);
    queueMicrotask(() => this.#ended.resolve());
    return { name: 'late' };
  };
  /** Lets every call continue. Resolves when the first has returned. */
  async release(): Promise<void> {
    this.#released.resolve();
    await this.#ended.promise;
  }
}

async function serving(t: Test, held: Held, handlerTimeoutMs: number, authenticate: Authenticate = never) {
  const common = { access: open(), summary: 'Probe', tag: 'Test', reply: { 200: Answer, 201: Answer } } as const;
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
  const app = await openServer({
    log: openLog({ level: 'silent', pretty: false }),
    endpoints: [
      ...methods.map((method) => {
        const body = method === 'GET' ? undefined : Body;
        return endpoint({
          ...common,
          method,
          url: '/held',
          id: `held${method}`,
          body,
          bodyOptional: true,
          handle: held.handle,
        } as never);
      }),
      endpoint({ ...common, method: 'POST', url: '/form', id: 'form', wire: 'oauth', body: Body, handle: held.handle }),
      endpoint({
        ...common,
        method: 'POST',
        url: '/guarded',
        id: 'guarded',
        access: signedIn(),
        body: Body,
        handle: held.handle,
      }),
      endpoint({ ...common, method: 'POST', url: '/quick', id: 'quick', body: Body, handle: ({ body }) => body }),
    ],
    guard: { authenticate, actFor: never, holds: () => false, isPlatformAdministrator: async () => false },
    translate: () => null,
    limits: { enabled: false, signIn: 1, session: 1, other: 1, organization: 1, client: 1 },
    corsOrigins: [],
    trustedProxies: [],
    https: false,
    handlerTimeoutMs,
  });
  t.teardown(() => app.close());
  return app.listen({ host: '127.0.0.1', port: 0 });
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function request(method: string, path: string, body: string | null, ...fields: string[]): string {
  const isForm = path === '/form';
  const type = `Content-Type: application/${isForm ? 'x-www-form-urlencoded' : 'json'}`;
  const framing = body === null ? [] : [type, `Content-Length: ${body.length}`];
  return `${requestHead(method, path, ...framing, ...fields)}${body ?? ''}`;
}

const NAMED = JSON.stringify({ name: 'x' });

function late(t: Test, reply: RawReply | null, code: string, what: string): void {
  t.equal(reply?.status, 503, what);
  t.match(reply?.text, code, what);
  t.equal(reply?.headers.get('retry-after'), '1', `${what}: Retry-After`);
  t.notOk(reply?.headers.has('set-cookie'), `${what}: nothing that the operation prepared`);
}

t.test('a request is answered with 503 when its time is over: every method, with and without a body', async (t) => {
  const held = new Held();
  const url = await serving(t, held, SHORT_MS);
  const requests = [
    ['GET', '/held', null],
    ['POST', '/held', NAMED],
    ['POST', '/held', null],
    ['PUT', '/held', NAMED],
    ['PATCH', '/held', NAMED],
    ['DELETE', '/held', NAMED],
    ['DELETE', '/held', null],
    ['POST', '/form', 'name=x'],
    ['POST', '/guarded', NAMED, 'Authorization: Bearer x'],
    ['POST', '/held', NAMED, 'Cookie: tenantry_refresh=x'],
  ] as const;
  const answered = await Promise.all(
    requests.map(async ([method, path, body, ...fields]) => {
      const connection = await openRaw(t, url);
      connection.write(request(method, path, body, ...fields));
      return { what: `${method} ${path} ${body}`, connection, reply: await connection.next() };
    }),
  );
  for (const { what, reply } of answered) {
    late(t, reply, what.includes('/form') ? '"error":"temporarily_unavailable"' : '"code":"service_busy"', what);
  }
  t.equal(held.signals.length, requests.length - 1, 'every operation had begun, behind the guard that answers');
  t.ok(held.signals.every(({ aborted, reason }) => aborted && /within 1 seconds/.test(reason.message)));
  await held.release();
  for (const { what, connection } of answered) {
    connection.write(request('POST', '/quick', JSON.stringify({ name: what })));
    const reply = await connection.next();
    t.same([reply?.status, reply && JSON.parse(reply.text)], [200, { name: what }], `${what}: the next answer`);
    t.notOk(reply?.headers.has('x-late'));
  }
});

t.test('a request whose body comes in chunks, or only after a slow guard, has the same deadline', async (t) => {
  const held = new Held();
  const url = await serving(t, held, SHORT_MS);
  const chunked = await openRaw(t, url);
  chunked.write(requestHead('POST', '/held', 'Content-Type: application/json', 'Transfer-Encoding: chunked'));
  chunked.write(`${NAMED.length.toString(16)}\r\n${NAMED}\r\n0\r\n\r\n`);
  late(t, await chunked.next(), '"code":"service_busy"', 'in chunks');
  // The guard does not answer, and the body is not read before that. The service is slow here, and not the sender.
  const unsent = await openRaw(t, url);
  unsent.write(requestHead('POST', '/guarded', 'Content-Type: application/json', `Content-Length: ${NAMED.length}`));
  late(t, await unsent.next(), '"code":"service_busy"', 'behind the guard');
  unsent.write(NAMED + request('POST', '/quick', NAMED));
  t.equal((await unsent.next())?.status, 200, 'the rest of the body is not read as a request');
});

t.test('a body that does not arrive within its time limit is refused with 408, and the connection ends', async (t) => {
  const url = await serving(t, new Held(), SHORT_MS);
  const slow = await openRaw(t, url);
  slow.write(requestHead('POST', '/quick', 'Content-Type: application/json', 'Content-Length: 12'));
  slow.write('{"name"');
  const reply = await slow.next();
  refused(t, reply as RawReply, 'request_timeout', 'half a body');
  t.equal(reply?.headers.get('connection'), 'close');
  t.equal(await slow.ended(), 0, 'there is one answer');
});

t.test(
  'requests that are sent without waiting for answers get their own answers in order, even after a late one',
  async (t) => {
    const url = await serving(t, new Held(), SHORT_MS);
    const connection = await openRaw(t, url);
    const names = ['a', 'b', 'c'];
    connection.write(
      request('POST', '/held', NAMED) +
        names.map((name) => request('POST', '/quick', JSON.stringify({ name }))).join(''),
    );
    late(t, await connection.next(), '"code":"service_busy"', 'the first');
    for (const name of names) t.same(JSON.parse((await connection.next())?.text ?? ''), { name });
  },
);

t.test('bytes that are not a request are refused after the answers to the requests before them', async (t) => {
  for (const [what, bytes, status] of [
    ['rubbish', 'rubbish\r\n\r\n', 400],
    ['a head that is too large', requestHead('GET', '/quick', `X-Long: ${'x'.repeat(40_000)}`), 431],
    ['a tunnel', requestHead('CONNECT', 'service.test:443'), 404],
  ] as const) {
    const held = new Held();
    const url = await serving(t, held, 60_000);
    const connection = await openRaw(t, url);
    connection.write(request('POST', '/held', NAMED));
    await until(() => held.signals.length > 0);
    connection.write(bytes);
    const quick = await sendRaw(url, request('POST', '/quick', NAMED)); // the server has read the bytes meanwhile
    t.equal(quick.status, 200);
    await held.release();
    t.equal((await connection.next())?.status, 201, `${what}: the answer to the request`);
    t.equal((await connection.next())?.status, status, `${what}: the refusal`);
    t.equal(await connection.ended(), 0, `${what}: nothing more`);
  }
});

t.test('a broken body gets one answer: its refusal, or the answer that the request already has', async (t) => {
  const url = await serving(t, new Held(), 60_000, async () => {
    const { problem } = await import('../../../src/base/errors/problem.ts');
    throw problem('unauthenticated');
  });
  const chunked = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
  const reading = await openRaw(t, url);
  reading.write(`${requestHead('POST', '/quick', ...chunked)}no chunk\r\n`);
  refused(t, (await reading.next()) as RawReply, 'bad_request', 'while it is read');
  t.equal(await reading.ended(), 0);
  const answered = await openRaw(t, url);
  answered.write(requestHead('POST', '/guarded', ...chunked));
  refused(t, (await answered.next()) as RawReply, 'unauthenticated', 'the guard answers first');
  answered.write('no chunk\r\n');
  t.equal(await answered.ended(), 0, 'there is no second answer');
});

t.test('the signal of an operation aborts when its client disconnects, and not when its body was read', async (t) => {
  const held = new Held();
  const url = await serving(t, held, 60_000);
  const abort = new AbortController();
  const asked = fetch(`${url}/held`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: NAMED,
    signal: abort.signal,
  });
  await until(() => held.signals.length > 0);
  const [signal] = held.signals as [AbortSignal];
  t.equal((await sendRaw(url, request('POST', '/quick', NAMED))).status, 200);
  t.notOk(signal.aborted, 'the body was read, and the client waits');
  const aborted = once(signal, 'abort');
  abort.abort();
  await t.rejects(asked);
  await aborted;
  t.equal(signal.reason.name, 'AbortError');
  await held.release();
});
