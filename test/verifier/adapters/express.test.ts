// The middleware for Express, and for frameworks that call middlewares as Connect does, over real HTTP.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type ErrorRequestHandler } from 'express';
import t from 'tap';
import {
  authenticate,
  authenticateRequest,
  type Middleware,
  permissionCheck,
  principalOf,
  requirePermission,
  requirePrincipal,
  sendRefusal,
} from '../../../src/verifier/adapters/express.ts';
import type { Verifier } from '../../../src/verifier/core/contract.ts';
import { VerificationError } from '../../../src/verifier/core/error.ts';
import { openIssuer } from '../../support/issuer.ts';
import { bearer, type Guarded, get, holdHttpCases } from './http-cases.ts';

async function listen(listener: RequestListener): Promise<Guarded> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const close = () => new Promise((resolve) => server.close(resolve).closeAllConnections());
  return { port: (server.address() as AddressInfo).port, close };
}

function showPrincipal(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ id: principalOf(request)?.id ?? null }));
}

function expressRoutes(verifier: Verifier): RequestListener {
  const app = express();
  app.get('/me', authenticate(verifier), showPrincipal);
  app.get('/maybe', authenticate(verifier, { optional: true }), showPrincipal);
  app.get('/deals', authenticate(verifier), requirePermission('deals:write'), showPrincipal);
  app.get('/forgotten', requirePermission(verifier, 'deals:write'), showPrincipal);
  return app;
}

/** Calls middlewares in the same way as Connect. */
function chain(...middlewares: readonly Middleware[]): RequestListener {
  return (request, response) => {
    const run = (index: number, error?: unknown): void => {
      const middleware = middlewares[index];
      if (error !== undefined) response.writeHead(500).end('{}');
      else if (middleware) middleware(request, response, (raised) => run(index + 1, raised));
      else showPrincipal(request, response);
    };
    run(0);
  };
}

function connectRoutes(verifier: Verifier): RequestListener {
  const routes = new Map<string | undefined, RequestListener>([
    ['/me', chain(authenticate(verifier))],
    ['/maybe', chain(authenticate(verifier, { optional: true }))],
    ['/deals', chain(authenticate(verifier), requirePermission(verifier, 'deals:write'))],
    ['/forgotten', chain(requirePermission('deals:write'))],
  ]);
  return (request, response) => routes.get(request.url)?.(request, response);
}

function plainRoutes(verifier: Verifier): RequestListener {
  const mayWriteDeals = permissionCheck('deals:write');
  return async (request, response) => {
    try {
      const optional = request.url === '/maybe';
      if (request.url !== '/forgotten') await authenticateRequest(verifier, request, { optional });
      if (request.url === '/deals' || request.url === '/forgotten') await mayWriteDeals(request);
      showPrincipal(request, response);
    } catch (error) {
      if (error instanceof VerificationError) sendRefusal(response, error);
      else response.writeHead(500).end('{}');
    }
  };
}

t.test('the middleware passes every HTTP case in Express 5', (t) =>
  holdHttpCases(t, (verifier) => listen(expressRoutes(verifier))),
);
t.test('the middleware passes every HTTP case when it is called as Connect calls it', (t) =>
  holdHttpCases(t, (verifier) => listen(connectRoutes(verifier))),
);
t.test('the middleware passes every HTTP case with node:http alone', (t) =>
  holdHttpCases(t, (verifier) => listen(plainRoutes(verifier))),
);

t.test('requirePrincipal returns the principal of a request, or refuses the request', async (t) => {
  const issuer = openIssuer();
  const request = { headers: { authorization: `Bearer ${issuer.token()}` } } as IncomingMessage;
  t.throws(() => requirePrincipal(request), { code: 'unauthenticated', status: 401 });
  const principal = await authenticateRequest(issuer.verifier(), request);
  t.equal(requirePrincipal(request), principal);
  t.throws(
    () => requirePrincipal({ ...request, principal }),
    { code: 'unauthenticated' },
    'a principal that was copied onto another request does not count',
  );
});

t.test('an invalid permission is refused when the middleware is created', async (t) => {
  const verifier = openIssuer().verifier();
  t.teardown(() => verifier.close());
  for (const wrong of [
    '',
    'deals',
    'deals:',
    ':write',
    'Deals:write',
    'deals:write ',
    'deals:*',
    '*:*',
    'a:b:c',
    'a:b\n',
  ]) {
    t.throws(() => requirePermission(wrong), TypeError, JSON.stringify(wrong));
    t.throws(() => requirePermission(verifier, wrong), TypeError);
    t.throws(() => permissionCheck(wrong), TypeError);
  }
  for (const wrong of [undefined, null, 7, ['deals:write'], {}]) {
    t.throws(() => requirePermission(wrong as never), TypeError);
    t.throws(() => requirePermission(verifier, wrong as never), TypeError);
  }
});

t.test('no other property of a request is treated as its principal', async (t) => {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const forged = { id: 'x', permissions: ['*:*'], has: () => true };
  const app = express();
  app.use((request, _response, next) => {
    Object.assign(request, { principal: forged });
    next();
  });
  app.get('/before', requirePermission('deals:write'), showPrincipal);
  app.use(authenticate(verifier, { optional: true }));
  app.get('/shown', (request, response) => {
    const { principal } = request as unknown as { principal: unknown };
    let assigned = true;
    try {
      Object.assign(request, { principal: forged });
    } catch {
      assigned = false;
    }
    response.json({ principal, assigned });
  });
  app.get('/after', requirePermission('deals:write'), showPrincipal);
  const { port, close } = await listen(app);
  t.teardown(async () => {
    verifier.close();
    await close();
  });
  t.equal((await get(port, '/before')).status, 401);
  t.equal((await get(port, '/after')).status, 401);
  t.same((await get(port, '/shown')).body, { principal: null, assigned: false });
  const { body } = await get(port, '/shown', bearer(issuer.token()));
  t.match(body, { principal: { kind: 'user', id: issuer.userId }, assigned: false });
});

t.test('a principal of one verifier is refused by a permission check of another verifier', async (t) => {
  const issuer = openIssuer();
  const [one, other] = [issuer.verifier(), issuer.verifier()];
  const { port, close } = await listen(chain(authenticate(one), requirePermission(other, 'deals:write')));
  t.teardown(async () => {
    for (const verifier of [one, other]) verifier.close();
    await close();
  });
  t.equal((await get(port, '/', bearer(issuer.token({ permissions: ['*:*'] })))).status, 401);
});

t.test('the permission check refuses a token that is revoked while the body arrives', async (t) => {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const sid = crypto.randomUUID();
  const revoke: Middleware = (_request, _response, next) => {
    issuer.revoke({ kind: 'session', sid });
    next();
  };
  const { port, close } = await listen(chain(authenticate(verifier), revoke, requirePermission('deals:write')));
  t.teardown(async () => {
    verifier.close();
    await close();
  });
  const answer = await get(port, '/', bearer(issuer.token({ sid, permissions: ['*:*'] })));
  t.match(answer, { status: 401, body: { code: 'session_revoked' } });
});

t.test('with the option set, refusals go to the application’s error handlers with their headers', async (t) => {
  const issuer = openIssuer();
  const verifier = issuer.verifier();
  const app = express();
  app.get(
    '/deals',
    authenticate(verifier, { refusals: 'next' }),
    requirePermission('deals:write', { refusals: 'next' }),
  );
  const handler: ErrorRequestHandler = (error: VerificationError, _request, response, _next) => {
    response.status(error.status).json({ own: error.code });
  };
  app.use(handler);
  const { port, close } = await listen(app);
  t.teardown(async () => {
    verifier.close();
    await close();
  });
  t.match(await get(port, '/deals'), {
    status: 401,
    headers: { 'www-authenticate': 'Bearer', 'content-type': /^application\/json/ },
    body: { own: 'unauthenticated' },
  });
  t.match(await get(port, '/deals', bearer(issuer.token())), { status: 403, body: { own: 'permission_denied' } });
});

t.test('any other error goes to the error handlers, and the request does not reach the route', async (t) => {
  const issuer = openIssuer();
  const verifier = issuer.verifier({ keys: { find: brokenKeys } });
  const { port, close } = await listen(chain(authenticate(verifier)));
  t.teardown(async () => {
    verifier.close();
    await close();
  });
  t.equal((await get(port, '/', bearer(issuer.token()))).status, 500);
});

function brokenKeys(): never {
  throw new Error('no disk');
}
