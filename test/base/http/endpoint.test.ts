// A route declares its access and its answers. The service does not start with a route that has no such declaration. It
// refuses a request that the declaration does not allow, and does not send a field that is not declared.
import type { FastifyInstance } from 'fastify';
import t, { type Test } from 'tap';
import { z } from 'zod';
import { problem } from '../../../src/base/errors/problem.ts';
import { type Endpoint, endpoint, type Limit, needs, open, signedIn } from '../../../src/base/http/endpoint.ts';
import { openServer, type ServerOptions } from '../../../src/base/http/server.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import type { Caller, OrganizationCaller } from '../../../src/protocol/caller.ts';
import { permits } from '../../../src/protocol/permission.ts';
import { type Api, openApi } from '../../support/client.ts';
import { refused, requestHead, sendRaw } from '../../support/raw.ts';

const MEMBER: OrganizationCaller = Object.freeze({
  kind: 'user',
  id: '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f',
  sessionId: '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e10',
  organizationId: '0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e11',
  organizationSlug: 'acme',
  roles: ['agent'],
  permissions: ['contacts:read', 'deals:*'],
  permissionsElsewhere: false,
  epoch: 0,
  membershipEpoch: 0,
  rolesEpoch: 0,
  authenticatedAt: 0,
  issuedAt: 0,
});

// The token of a request is the name of its caller in CALLERS.
const OWNER: OrganizationCaller = { ...MEMBER, permissions: ['*:*'] };
const CALLERS = new Map<string, Caller>([
  ['member', MEMBER],
  ['stranger', { ...MEMBER, permissions: [], roles: [] }],
  ['alone', { ...OWNER, organizationId: null, organizationSlug: null }],
  ['owner', OWNER],
]);

async function authenticate(authorization: string | undefined): Promise<Caller> {
  const caller = CALLERS.get(authorization?.replace('Bearer ', '') ?? '');
  if (!caller) throw problem('unauthenticated');
  return caller;
}

function server(endpoints: readonly Endpoint[], more: Partial<ServerOptions> = {}): Promise<FastifyInstance> {
  return openServer({
    log: openLog({ level: 'silent', pretty: false }),
    endpoints,
    guard: {
      authenticate,
      actFor: async () => OWNER,
      holds: (caller, permission) => permits(caller.permissions, permission),
      isPlatformAdministrator: async (caller) => caller.id === OWNER.id,
    },
    translate: () => null,
    limits: { enabled: false, signIn: 1, session: 1, other: 1, organization: 1, client: 1 },
    corsOrigins: [],
    trustedProxies: [],
    https: false,
    ...more,
  });
}

async function listening(t: Test, ...endpoints: Endpoint[]): Promise<Api> {
  const app = await server(endpoints);
  t.teardown(() => app.close());
  return openApi(await app.listen({ host: '127.0.0.1', port: 0 }));
}

const REST = { id: 'probe', summary: 'Probe', tag: 'Test' } as const;
const Nothing = z.strictObject({});

t.test('a route without access cannot be declared', async (t) => {
  const declare = (access: unknown) => () =>
    endpoint({
      ...REST,
      method: 'GET',
      url: '/x',
      access: access as never,
      reply: { 204: null },
      handle: () => undefined,
    });
  for (const access of [undefined, null, {}, { kind: 'public' }, 'open', true]) {
    t.throws(declare(access), { name: 'TypeError', message: /GET \/x states no access/ }, JSON.stringify(access));
  }
  t.doesNotThrow(declare(open()));
});

t.test('a form that shares the allowance of an endpoint with another limit does not boot', async (t) => {
  const common = { ...REST, method: 'POST', access: open(), reply: { 204: null }, handle: () => undefined } as const;
  const shared = (limit?: Limit) => endpoint({ ...common, url: '/shared', id: 'shared', ...(limit && { limit }) });
  const sharing = (limit?: Limit) =>
    endpoint({ ...common, url: '/sharing', limitAs: 'shared', ...(limit && { limit }) });
  const refusal = { message: 'probe shares the allowance of shared, and not both have the limit sign_in' };
  await t.rejects(server([sharing('sign_in')]), refusal, 'no such endpoint');
  await t.rejects(server([sharing('sign_in'), shared()]), refusal, 'one with the ordinary limit');
  await t.rejects(server([sharing('sign_in'), shared('session')]), refusal, 'one with another limit');
  await t.rejects(server([sharing(), shared('sign_in')]), refusal, 'the form has the ordinary limit');
  const app = await server([sharing('sign_in'), shared('sign_in')]);
  await app.close();
});

t.test('a route that endpoint() did not create does not boot', async (t) => {
  const made = endpoint({
    ...REST,
    method: 'GET',
    url: '/x',
    access: open(),
    reply: { 204: null },
    handle: () => undefined,
  });
  await t.rejects(server([{ ...made }]), { message: /GET \/x was not declared by endpoint\(\)/ }, 'a copy is not one');
  const app = await server([made]);
  t.teardown(() => app.close());
  t.throws(() => app.get('/around', () => 'hello'), { message: /GET \/around was not declared by endpoint\(\)/ });
  t.throws(() => app.route({ method: ['POST', 'PUT'], url: '/around', handler: () => 'hello' }), {
    message: /\/around/,
  });
  t.throws(() => app.all('/around', () => 'hello'), { message: /\/around/ });
  t.throws(() => app.get('/around', { config: { mark: Symbol('endpoint') } as object }, () => 'hello'), {
    message: /\/around/,
  });
  const late = await server([made]);
  late.register(async (scope) => void scope.get('/around', () => 'hello'));
  await t.rejects(
    Promise.resolve(late.ready()),
    { message: /GET \/around was not declared/ },
    'a route inside a plugin is refused too',
  );
});

t.test('needs() accepts only a caller who has the permission in the organization of the token', async (t) => {
  const calls: (Caller | null)[] = [];
  const probe = (url: string, permission: string) =>
    endpoint({
      ...REST,
      method: 'GET',
      url,
      access: needs(permission),
      reply: { 204: null },
      handle: ({ caller }) => void calls.push(caller),
    });
  const api = await listening(
    t,
    probe('/api/v1/read', 'contacts:read'),
    probe('/api/v1/delete', 'contacts:delete'),
    probe('/api/v1/deals', 'deals:write'),
  );
  const as = (token: string, path: string) => api.get(path, { token });
  t.equal((await as('member', '/read')).status, 204);
  t.equal((await as('member', '/deals')).status, 204, 'a wildcard of the resource covers it');
  t.equal((await as('owner', '/delete')).status, 204, 'a wildcard of everything covers it');
  t.strictSame(calls, [MEMBER, MEMBER, OWNER], 'the operation gets the caller');
  refused(t, await as('member', '/delete'), 'permission_denied', 'another action of the resource');
  refused(t, await as('stranger', '/read'), 'permission_denied', 'no permission at all');
  refused(t, await as('alone', '/read'), 'organization_required', 'every permission, and no organization');
  refused(t, await api.get('/read'), 'unauthenticated', 'no token');
  refused(t, await as('nobody', '/read'), 'unauthenticated', 'an unknown token');
  t.equal((await api.call('HEAD', '/read')).status, 401, 'HEAD is guarded like GET');
  t.equal((await api.call('HEAD', '/read', undefined, { token: 'stranger' })).status, 403);
  t.equal(calls.length, 3, 'no refused request reached the operation');
});

t.test('the guard runs before the body is parsed, so a caller without rights gets no details of it', async (t) => {
  const seen: unknown[] = [];
  const api = await listening(
    t,
    endpoint({
      ...REST,
      method: 'POST',
      url: '/api/v1/things',
      access: needs('things:write'),
      body: z.strictObject({ name: z.string() }),
      reply: { 204: null },
      handle: ({ body }) => void seen.push(body),
    }),
  );
  const send = (token: string | undefined, raw: string, type = 'application/json') =>
    api.call('POST', '/things', undefined, { ...(token ? { token } : {}), raw, headers: { 'content-type': type } });
  for (const [raw, type] of [
    ['{', 'application/json'],
    ['{"x":1}', 'application/json'],
    ['x', 'text/plain'],
    ['x'.repeat(70_000), 'text/x'],
  ] as const) {
    refused(t, await send(undefined, raw, type), 'unauthenticated', `${type} ${raw.slice(0, 9)} without a token`);
    refused(
      t,
      await send('stranger', raw, type),
      'permission_denied',
      `${type} ${raw.slice(0, 9)} without the permission`,
    );
  }
  const fields = ['Content-Type: application/json', 'Content-Length: 1000000'];
  refused(t, await sendRaw(api.url, requestHead('POST', '/api/v1/things', ...fields)), 'unauthenticated', 'unsent');
  refused(t, await send('owner', '{'), 'malformed_json', 'a caller with the right gets the error');
  t.equal((await send('owner', '{"name":"x"}')).status, 204);
  t.strictSame(seen, [{ name: 'x' }]);
});

t.test('an answer is reduced to its schema, and an answer that does not match becomes a plain 500', async (t) => {
  const answers: Record<string, unknown> = {
    more: { data: { id: 1, secret: 'hunter2' } },
    strict: { data: { id: 1, nested: { secret: 'hunter2' } } },
    wrong: { data: { id: 'hunter2' } },
    none: undefined,
    raised: new Error('SELECT hunter2 FROM passwords'),
    foreign: Object.assign(new Error('hunter2'), { statusCode: 200, code: 'hunter2' }),
    text: 'hunter2',
  };
  const Cut = z.object({ data: z.object({ id: z.int() }) });
  const Strict = z.strictObject({ data: z.strictObject({ id: z.int() }) });
  const probes = Object.entries(answers).map(([name, answer]) =>
    endpoint({
      ...REST,
      method: 'GET',
      url: `/api/v1/${name}`,
      access: signedIn(),
      reply: { 200: name === 'more' ? Cut : Strict },
      handle: () => {
        if (answer instanceof Error || name === 'text') throw answer;
        return answer;
      },
    }),
  );
  const api = await listening(t, ...probes);
  const more = await api.get('/more', { token: 'member' });
  t.equal(more.text, '{"data":{"id":1}}', 'a field that is not in the schema is not sent');
  t.equal(more.headers.get('content-type'), 'application/json; charset=utf-8');
  for (const name of Object.keys(answers).slice(1)) {
    const reply = await api.get(`/${name}`, { token: 'member' });
    t.strictSame([reply.status, reply.code], [500, 'internal_error'], name);
    t.strictSame(Object.keys(reply.body).sort(), ['code', 'detail', 'error', 'requestId', 'status', 'title', 'type']);
    t.notMatch(reply.text, /hunter2|SELECT|Zod|expected|at .*\.ts/, 'nothing of it is sent');
    t.match(reply.headers.get('content-type'), /^application\/problem\+json/);
  }
});

t.test('a body that arrives too slowly gets a 408 answer, and an operation that takes too long a 503', async (t) => {
  const common = { ...REST, access: open(), reply: { 200: Nothing } };
  const endpoints = [
    endpoint({ ...common, method: 'POST', url: '/quick', body: Nothing, handle: () => ({}) }),
    endpoint({ ...common, method: 'GET', url: '/stuck', handle: () => new Promise(() => undefined) }),
  ];
  const app = await server(endpoints, { handlerTimeoutMs: 200 });
  t.teardown(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const post = (fields: string[], ...pieces: string[]) =>
    sendRaw(url, requestHead('POST', '/quick', 'Content-Type: application/json', ...fields), ...pieces);
  for (const [fields, piece] of [
    [['Content-Length: 2'], '{'],
    [['Content-Length: 2'], ''],
    [['Transfer-Encoding: chunked'], '1\r\n{\r\n'],
  ] as const) {
    const slow = await post([...fields], piece);
    refused(t, slow, 'request_timeout', `${fields} ${piece}`);
    t.equal(slow.headers.get('connection'), 'close', 'the service does not wait for the rest');
  }
  // A body in chunks that arrives in time is accepted, even on a slow machine.
  const patient = await server(endpoints, { handlerTimeoutMs: 60_000 });
  t.teardown(() => patient.close());
  const whole = requestHead('POST', '/quick', 'Content-Type: application/json', 'Content-Length: 2');
  t.equal((await sendRaw(await patient.listen({ host: '127.0.0.1', port: 0 }), whole, '{', '}')).status, 200);
  const stuck = await sendRaw(url, requestHead('GET', '/stuck'));
  t.equal(stuck.status, 503);
  t.match(JSON.parse(stuck.text), { code: 'service_busy' });
  t.equal(stuck.headers.get('retry-after'), '1');
});

t.test('unknown parameters in the query and the path are refused, even by a route that declares none', async (t) => {
  const probe = (url: string, schemas: object) =>
    endpoint({ ...REST, method: 'GET', url, access: open(), reply: { 200: Nothing }, handle: () => ({}), ...schemas });
  const api = await listening(
    t,
    probe('/api/v1/plain', {}),
    probe('/api/v1/asked', { query: z.strictObject({ q: z.string().max(3).optional() }) }),
    probe('/api/v1/by/:id', { params: z.strictObject({ id: z.uuid() }) }),
  );
  t.equal((await api.get('/plain')).status, 200);
  refused(t, await api.get('/plain?x'), 'validation_failed', 'an unknown parameter');
  t.equal((await api.get('/asked?q=abc')).status, 200);
  t.match((await api.get('/asked?q=abcd')).body.issues, [{ path: 'query.q' }], 'the issue says where');
  refused(t, await api.get('/asked?q=a&q=b'), 'validation_failed', 'the same one twice');
  t.match((await api.get('/by/1')).body.issues, [{ path: 'path.id' }]);
  t.equal((await api.get(`/by/${MEMBER.id}`)).status, 200);
});
