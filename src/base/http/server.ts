// The HTTP server, with the limits, headers, guards and errors around the endpoints. The list of endpoints is in
// app/endpoints.ts.
import { randomUUID } from 'node:crypto';
import { Server as NetServer } from 'node:net';
import cookie from '@fastify/cookie';
import cors from '@fastify/cors';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Principal } from '../../protocol/caller.ts';
import { assertFormType, parseForm } from '../bodies/form.ts';
import { assertJsonType, parseBody } from '../bodies/json.ts';
import { answerByHand, type HandWritten } from '../connections/broken-connection.ts';
import { type Connections, watchConnections } from '../connections/connections.ts';
import { endConnections } from '../connections/farewell.ts';
import { judgeHead } from '../connections/head.ts';
import { plainLines } from '../platform/log.ts';
import { limitTime } from './deadline.ts';
import type { Endpoint } from './endpoint.ts';
import { type Guard, mountEndpoint, ROUTE_MARK } from './mount.ts';
import { oauthRequests, sendOAuthError, wireOf } from './oauth-error.ts';
import { prefersPage, sendProblem, sendProblemPage, type Translate, toProblem, WORK, withOutcome } from './problems.ts';
import { type LimitSettings, networkOf, openLimits, wideNetworkOf } from './rate-limit.ts';
import type { NamedClient } from './request-info.ts';
import { securityHeaders } from './security-headers.ts';
import { unknownRoutes } from './unknown-route.ts';

export interface ServerOptions {
  readonly log: FastifyBaseLogger;
  readonly endpoints: readonly Endpoint[];
  readonly guard: Omit<Guard, 'draw'>;
  readonly translate: Translate;
  readonly limits: LimitSettings;
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  /** Whether answers have a header that makes browsers use https only. */
  readonly https: boolean;
  /** Whether the header for https also applies to all subdomains of the service's host; false by default. */
  readonly httpsSubdomains?: boolean;
  /** How long one request may take, including its body; 10,000 by default. */
  readonly handlerTimeoutMs?: number;
}

/** Ends the connections of a server that stops. `idleMs` is the option of endConnections. */
export type Farewell = (options: { readonly idleMs: number }) => Promise<void>;

const BODY_BYTES_MAX = 64 * 1024;
const SOCKETS_MAX = 10_000;
// In Fastify and Node, these limits are off or very long by default. A slow or silent peer must not keep a socket open
// for ever. `requestTimeout` is longer than the head and the body may take together, so that a slow body gets its
// answer from deadline.ts, in the order of the requests.
const TIMEOUTS = { requestTimeout: 20_000, connectionTimeout: 30_000, keepAliveTimeout: 65_000 };
const REQUEST_MS = 10_000;
/** The fraction of the time of a request within which its body must arrive. */
const BODY_SHARE = 0.8;
const HEAD_LIMITS = {
  headersTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 32 * 1024,
  requireHostHeader: false,
};
/** When the server ends, it waits this much longer for answers than a request may take. */
const ANSWERED_MS = 1_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Builds the server, which does not listen yet. Raises for an endpoint that was not made by `endpoint()`. */
export async function openServer(options: ServerOptions): Promise<FastifyInstance> {
  const constant = { ...(await securityHeaders(options)), 'cache-control': 'no-store' };
  const unknownRoute = unknownRoutes(options.endpoints);
  const requestMs = options.handlerTimeoutMs ?? REQUEST_MS;
  let byHand: HandWritten | undefined;
  const app = Fastify({
    loggerInstance: frameworkLog(options.log),
    childLoggerFactory: (_, bindings, settings) => options.log.child(bindings, settings),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    requestIdHeader: false,
    genReqId: requestId,
    ...TIMEOUTS,
    http: HEAD_LIMITS,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => (byHand ? byHand.answerBroken(error, socket) : socket.destroy()),
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (error, request, reply) => {
      reply.headers({ ...constant, 'x-request-id': request.id }); // hooks do not run for this request
      sendProblem(request as FastifyRequest, reply, toProblem(error, options.translate));
    },
  });
  app.server.maxHeadersCount = 0; // judgeHead counts headers, because Node would silently drop some
  app.server.maxConnections = SOCKETS_MAX;
  const connections = watchConnections(app.server);
  byHand = answerByHand(app.server, connections, constant, unknownRoute);
  limitTime(app, { requestMs, bodyMs: requestMs * BODY_SHARE });
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(constant);
    reply.header('x-request-id', request.id);
    done(judgeHead(request.raw) ?? undefined);
  });
  endConnectionsBeforeClose(app, connections, requestMs + ANSWERED_MS);
  await registerPlugins(app, options, unknownRoute);
  const draw = await openLimits(app, options.limits);
  const guard: Guard = { ...options.guard, draw };
  const isOAuth = oauthRequests(options.endpoints);
  app.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) => {
    if (isOAuth(request)) return sendOAuthError(request, reply, error, { translate: options.translate, draw });
    const thrown = withOutcome(toProblem(error, options.translate), request);
    const { kit } = guard.pages ?? {};
    if (kit && prefersPage(request)) return sendProblemPage(kit, request, reply, thrown);
    return sendProblem(request, reply, thrown);
  });
  readBodies(app);
  // After this line, the server refuses every route that is not an endpoint.
  app.addHook('onRoute', (route) => {
    if ((route.config as { mark?: symbol } | undefined)?.mark !== ROUTE_MARK) {
      throw new Error(
        `${String(route.method)} ${route.url} was not declared by endpoint(): every route states its access`,
      );
    }
  });
  assertSharedLimits(options.endpoints);
  for (const declared of options.endpoints) mountEndpoint(app, declared, guard);
  // Requests to unknown paths are counted before the body is read, as requests to routes are.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    draw(request, reply, 'other', `ip ${networkOf(request.ip)}`).then(() => done(unknownRoute(request.url)), done);
  });
  return app;
}

/** Raises unless each form that shares the allowance of an endpoint has the limit `sign_in`, as this endpoint has. */
function assertSharedLimits(endpoints: readonly Endpoint[]): void {
  for (const { id, limit, limitAs } of endpoints) {
    if (limitAs === undefined) continue;
    const shared = endpoints.find((other) => other.id === limitAs);
    if (limit === 'sign_in' && shared?.limit === 'sign_in') continue;
    throw new Error(`${id} shares the allowance of ${limitAs}, and not both have the limit sign_in`);
  }
}

/** Decorates the server with `farewell`, and calls it before the server closes. */
function endConnectionsBeforeClose(app: FastifyInstance, connections: Connections, withinMs: number): void {
  // The close() of an HTTP server of Node would also close idle connections, on which a request may be about to arrive.
  const stopListening = () => void NetServer.prototype.close.call(app.server);
  const farewell: Farewell = ({ idleMs }) => endConnections(connections, { idleMs, withinMs, stopListening });
  app.decorate('farewell', farewell);
  app.addHook('preClose', (done) => void farewell({ idleMs: 0 }).then(() => done(), done));
}

/** The log for messages of the framework. The framework's line about listening is left out, because main.ts logs it. */
function frameworkLog(log: FastifyBaseLogger): FastifyBaseLogger {
  return log.child({}, { level: ['trace', 'debug', 'info'].includes(log.level) ? 'warn' : log.level });
}

function requestId(raw: { headers: Record<string, string | string[] | undefined> }): string {
  const sent = raw.headers['x-request-id'];
  return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID();
}

// The URL that proxies call before they forward a request. A proxy may use the method of that request.
const FORWARD_AUTH = /^\/verify(?:[/?]|$)/;

const CORS_REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'x-request-id',
  'x-tenant-id',
  'x-organization-slug',
  'if-match',
  'if-none-match',
  'idempotency-key',
];
const CORS_ANSWER_HEADERS = [
  'x-request-id',
  'retry-after',
  'ratelimit-limit',
  'ratelimit-remaining',
  'ratelimit-reset',
  'etag',
  'idempotency-replayed',
];

async function registerPlugins(
  app: FastifyInstance,
  options: ServerOptions,
  unknownRoute: ReturnType<typeof unknownRoutes>,
): Promise<void> {
  await app.register(cookie, { hook: false }); // cookies are parsed when an operation reads one
  if (options.corsOrigins.length > 0) {
    // Some proxies forward a request after any 2xx answer. A preflight proves nothing, so it must not get a 2xx answer
    // at this URL.
    app.addHook('onRequest', async (request) => {
      if (request.method === 'OPTIONS' && FORWARD_AUTH.test(request.url)) throw unknownRoute(request.url);
    });
    await app.register(cors, {
      origin: [...options.corsOrigins],
      credentials: true,
      strictPreflight: false, // otherwise the plugin answers an incomplete preflight without a problem+json body
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: CORS_REQUEST_HEADERS,
      exposedHeaders: CORS_ANSWER_HEADERS,
      maxAge: 600,
    });
  }
  const note = plainLines(options.log, 'request');
  app.addHook('onResponse', (request, reply, done) => {
    const caller = request.getDecorator<Principal | null>('caller');
    const named = request.getDecorator<NamedClient | null>('serviceClient');
    note({
      requestId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? null,
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
      network: wideNetworkOf(request.ip),
      userId: caller?.kind === 'user' ? caller.id : undefined,
      clientId: caller?.kind === 'client' ? caller.id : named?.clientId,
      claimedClientId: named?.claimedClientId,
      organizationId: caller?.organizationId ?? undefined,
    });
    done();
  });
  app.decorateRequest('caller', null);
  app.decorateRequest(WORK, null);
  app.decorateRequest('serviceClient', null);
}

/**
 * Reads a form for an endpoint with the wire `oauth` or `page`, and JSON for every other endpoint. No other media type
 * is accepted.
 */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      const wire = wireOf(request);
      const isForm = wire === 'oauth' || wire === 'page';
      const { 'content-type': type, 'content-encoding': encoding } = request.headers;
      // A request without a body needs no media type, because a DELETE or POST may have no content.
      if (bytes.length > 0) (isForm ? assertFormType : assertJsonType)(type, encoding);
      done(null, (isForm ? parseForm : parseBody)(bytes as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}
