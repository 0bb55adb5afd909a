// The Fastify plugin, over real HTTP. The type check of this file shows that the hooks and the plugin fit Fastify's
// types.
import { once } from 'node:events';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyTypeProviderDefault,
} from 'fastify';
import t, { type Test } from 'tap';
import { authenticate, principalOf, requirePermission, tenantry } from '../../../src/verifier/adapters/fastify.ts';
import type { VerifiedPrincipal, Verifier } from '../../../src/verifier/core/contract.ts';
import { VerificationError } from '../../../src/verifier/core/error.ts';
import { openIssuer } from '../../support/issuer.ts';
import { type Guarded, holdHttpCases } from './http-cases.ts';

async function showPrincipal(request: FastifyRequest): Promise<{ id: string | null }> {
  const shown = request.getDecorator<VerifiedPrincipal | null>('principal');
  return { id: shown === principalOf(request) ? (shown?.id ?? null) : 'two answers' };
}

async function listen(app: FastifyInstance): Promise<Guarded> {
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

function withRoutes(verifier: Verifier): FastifyInstance {
  const app = Fastify();
  app.register(tenantry(verifier));
  app.get('/me', { onRequest: authenticate() }, showPrincipal);
  app.get('/maybe', { onRequest: authenticate({ optional: true }) }, showPrincipal);
  app.get('/deals', { onRequest: [authenticate(), requirePermission('deals:write')] }, showPrincipal);
  app.get('/forgotten', { preHandler: requirePermission('deals:write') }, showPrincipal);
  return app;
}

function begin(t: Test) {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const app = Fastify();
  t.teardown(async () => {
    verifier.close();
    await app.close();
  });
  return { issuer, verifier, app };
}

const ask = (app: FastifyInstance, url: string, token?: string) =>
  app.inject({ url, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });

t.test('the hooks pass every HTTP case before the body is read', (t) =>
  holdHttpCases(t, (verifier) => listen(withRoutes(verifier))),
);

t.test('the hooks pass every HTTP case for a whole context and after the body is read', (t) =>
  holdHttpCases(t, async (verifier) => {
    const app = Fastify();
    await app.register(tenantry(verifier));
    app.register(async (all) => {
      all.addHook('onRequest', authenticate());
      all.get('/me', showPrincipal);
      all.get('/deals', { preHandler: [requirePermission('deals:write')] }, showPrincipal);
    });
    app.register(async (some) => {
      some.addHook('preHandler', authenticate({ optional: true }));
      some.get('/maybe', showPrincipal);
    });
    app.get('/forgotten', { preValidation: requirePermission('deals:write') }, showPrincipal);
    return listen(app);
  }),
);

t.test('an invalid permission is refused when the hook is created', async (t) => {
  for (const wrong of ['', 'deals', 'deals:', ':write', 'Deals:write', 'deals:write ', 'deals:*', 'a:b:c', 'a:b\n']) {
    t.throws(() => requirePermission(wrong), TypeError, JSON.stringify(wrong));
  }
  t.throws(() => requirePermission(undefined as never), TypeError);
});

t.test('hooks without the plugin refuse every request', async (t) => {
  const { issuer, app } = begin(t);
  app.get('/me', { onRequest: authenticate() }, async () => 'let in');
  app.get('/maybe', { onRequest: authenticate({ optional: true }) }, async () => 'let in');
  for (const url of ['/me', '/maybe']) {
    const { statusCode, body } = await ask(app, url, issuer.token());
    t.equal(statusCode, 500);
    t.match(body, /Register tenantry\(verifier\)/);
  }
});

t.test('the plugin works in the context that registers it and in child contexts, and in no sibling', async (t) => {
  const { issuer, verifier, app } = begin(t);
  const other = openIssuer();
  const otherVerifier = other.verifier();
  t.teardown(() => otherVerifier.close());
  app.register(async (one) => {
    one.register(tenantry(verifier));
    one.register(async (child) => {
      child.get('/one', { onRequest: authenticate() }, showPrincipal);
    });
    one.register(async (child) => {
      await child.register(tenantry(otherVerifier));
      child.get('/nested', { onRequest: authenticate() }, showPrincipal);
    });
  });
  app.register(async (two) => {
    two.register(tenantry(otherVerifier));
    two.get('/two', { onRequest: authenticate() }, showPrincipal);
  });
  app.get('/outside', { onRequest: authenticate() }, async () => 'let in');
  t.equal((await ask(app, '/one', issuer.token())).json().id, issuer.userId);
  t.equal((await ask(app, '/one', other.token())).statusCode, 401);
  t.equal((await ask(app, '/two', other.token())).json().id, other.userId);
  t.equal((await ask(app, '/two', issuer.token())).statusCode, 401);
  t.equal(
    (await ask(app, '/nested', other.token())).json().id,
    other.userId,
    'a child context can have its own plugin',
  );
  t.equal((await ask(app, '/nested', issuer.token())).statusCode, 401);
  t.equal((await ask(app, '/outside', issuer.token())).statusCode, 500);
  t.equal(app.hasRequestDecorator('principal'), false);
});

t.test('the principal of a request is null before it is authenticated, and cannot be assigned', async (t) => {
  const { issuer, verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  const seen: unknown[] = [];
  app.addHook('onRequest', async (request) => {
    seen.push(request.getDecorator('principal'), Reflect.set(request, 'principal', { id: 'x', has: () => true }));
  });
  app.get('/me', { onRequest: authenticate() }, showPrincipal);
  app.get('/forgotten', { onRequest: requirePermission('deals:write') }, showPrincipal);
  t.equal((await ask(app, '/me', issuer.token())).json().id, issuer.userId);
  t.same(seen, [null, false]);
  t.equal((await ask(app, '/forgotten')).statusCode, 401);
});

t.test('the body of a refused request is not read, and no later hook runs', async (t) => {
  const { verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  let reached = 0;
  app.addHook('preParsing', async () => {
    reached += 1;
  });
  app.post('/me', { onRequest: authenticate() }, async () => {
    reached += 1;
  });
  const { statusCode } = await app.inject({ method: 'POST', url: '/me', payload: { much: 'text' } });
  t.equal(statusCode, 401);
  t.equal(reached, 0);
});

t.test('a request that two hooks refuse gets one answer', async (t) => {
  const { verifier } = begin(t);
  const lines: string[] = [];
  const logged = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => void lines.push(line) } } });
  t.teardown(() => logged.close());
  await logged.register(tenantry(verifier));
  logged.get('/deals', { onRequest: [authenticate(), requirePermission('deals:write')] }, showPrincipal);
  t.equal((await ask(logged, '/deals')).json().code, 'unauthenticated');
  t.same(lines, [], 'no answer is sent twice');
});

t.test('a refusal contains the id of its request, and keeps headers that other hooks have set', async (t) => {
  const { verifier } = begin(t);
  const app = Fastify({ genReqId: () => 'request-7' });
  t.teardown(() => app.close());
  await app.register(tenantry(verifier));
  app.addHook('onRequest', async (_request, reply) => void reply.header('access-control-allow-origin', '*'));
  app.get('/me', { onRequest: authenticate() }, showPrincipal);
  const { headers, json } = await ask(app, '/me');
  t.equal(json().requestId, 'request-7');
  t.equal(headers['access-control-allow-origin'], '*');
});

t.test('refusals are sent unchanged, whatever schema the route has for that status', async (t) => {
  const { verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  const response = { 401: { type: 'object', properties: { own: { type: 'string' } } } };
  app.get('/me', { onRequest: authenticate(), schema: { response } }, showPrincipal);
  t.equal((await ask(app, '/me')).json().code, 'unauthenticated');
});

t.test('with the option set, refusals go to the application’s error handler with their headers', async (t) => {
  const { issuer, verifier, app } = begin(t);
  await app.register(tenantry(verifier, { refusals: 'throw' }));
  app.setErrorHandler((error, _request, reply: FastifyReply) => {
    if (!(error instanceof VerificationError)) return reply.send(error);
    return reply.code(error.status).send({ own: error.code });
  });
  app.get('/deals', { onRequest: [authenticate(), requirePermission('deals:write')] }, showPrincipal);
  const nobody = await ask(app, '/deals');
  t.match(nobody.json(), { own: 'unauthenticated' });
  t.equal(nobody.headers['www-authenticate'], 'Bearer');
  const lacking = await ask(app, '/deals', issuer.token());
  t.match({ status: lacking.statusCode, body: lacking.json() }, { status: 403, body: { own: 'permission_denied' } });
  issuer.setStale(true);
  const stale = await ask(app, '/deals', issuer.token());
  t.equal(stale.statusCode, 503);
  t.equal(stale.headers['retry-after'], '1');
});

t.test('any other error is an error of the application, and the request does not reach the route', async (t) => {
  const { issuer, app } = begin(t);
  const find = () => {
    throw new Error('no disk');
  };
  const broken = issuer.verifier({ keys: { find } });
  t.teardown(() => broken.close());
  await app.register(tenantry(broken));
  app.get('/me', { onRequest: authenticate() }, showPrincipal);
  t.equal((await ask(app, '/me', issuer.token())).statusCode, 500);
});

t.test('a closed verifier refuses every request with 503 and not with 401', async (t) => {
  const { issuer, verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  app.get('/me', { onRequest: authenticate() }, showPrincipal);
  verifier.close();
  t.equal((await ask(app, '/me', issuer.token())).statusCode, 503);
});

t.test('the plugin tells Fastify its name, and that it needs version 5', async (t) => {
  const { verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  t.ok(app.hasPlugin('tenantry'));
  const meta = Reflect.get(tenantry(verifier), Symbol.for('plugin-meta'));
  t.same(meta, { name: 'tenantry', fastify: '5.x' });
});

interface OwnTypes extends FastifyTypeProviderDefault {
  readonly serializer: { answer: string };
}

t.test('the types of the hooks fit routes with their own types, and HTTP/2', async (t) => {
  const { issuer, verifier, app } = begin(t);
  await app.register(tenantry(verifier));
  const onRequest = [authenticate(), requirePermission('deals:write')];
  app.get<{ Reply: { 200: { answer: string } } }>('/codes', { onRequest }, async () => ({ answer: 'yes' }));
  app.get<{ Reply: { answer: string } }>('/one', { onRequest }, async () => ({ answer: 'yes' }));
  const schema = { response: { 200: { type: 'object', properties: { answer: { type: 'string' } } } } };
  const provided = app.withTypeProvider<OwnTypes>();
  provided.get('/provided', { onRequest, schema }, async () => ({ answer: 'yes' }));
  for (const url of ['/codes', '/one', '/provided']) {
    t.equal((await ask(app, url, issuer.token({ permissions: ['*:*'] }))).json().answer, 'yes');
    t.equal((await ask(app, url)).statusCode, 401);
  }
  const second = Fastify({ http2: true });
  t.teardown(() => second.close());
  await second.register(tenantry(verifier));
  second.get('/', { onRequest: authenticate() }, async () => ({ answer: 'yes' }));
  await second.listen({ port: 0, host: '127.0.0.1' });
  const session = connect(`http://127.0.0.1:${(second.server.address() as AddressInfo).port}`);
  t.teardown(() => session.destroy());
  const status = async (headers: Record<string, string | string[]>) => {
    const [answer] = await once(session.request({ ':path': '/', ...headers }), 'response');
    return answer[':status'];
  };
  const good = `Bearer ${issuer.token()}`;
  t.equal(await status({ authorization: good }), 200);
  t.equal(await status({}), 401);
});
