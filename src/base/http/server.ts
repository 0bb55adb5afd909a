// The HTTP server: limits, headers, guards and errors around the endpoints. Which endpoints there are is app.ts' matter.
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
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
import { problem } from '../errors/problem.ts';
import { assertJsonType, parseBody } from './body.ts';
import { answerBrokenConnection, answerTunnel, refuseExpectation } from './broken-connection.ts';
import type { Endpoint } from './endpoint.ts';
import { assertFormType, parseForm } from './form.ts';
import { type Guard, mountEndpoint, ROUTE_MARK } from './mount.ts';
import { oauthRequests, sendOAuthError, wireOf } from './oauth-error.ts';
import { isSlowBody, sendProblem, type Translate, toProblem } from './problems.ts';
import { type LimitSettings, networkOf, openLimits, prefixOf } from './rate-limit.ts';
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
  /** Whether answers may tell browsers to insist on https. */
  readonly https: boolean;
  /** How long one request may take, its body included; 10,000 unless told. */
  readonly handlerTimeoutMs?: number;
}

const BODY_BYTES_MAX = 64 * 1024;
const SOCKETS_MAX = 10_000;
// Fastify's and Node's own are off or generous: a slow or silent client must not hold a socket for ever.
const TIMEOUTS = { requestTimeout: 15_000, connectionTimeout: 30_000, keepAliveTimeout: 65_000 };
const HEAD_LIMITS = {
  headersTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 32 * 1024,
  requireHostHeader: false,
};
const CLOSING_STEP_MS = 500;
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Builds the server; it does not listen yet. Raises for an endpoint that was not made by `endpoint()`. */
export async function openServer(options: ServerOptions): Promise<FastifyInstance> {
  const constant = { ...(await securityHeaders(options)), 'cache-control': 'no-store' };
  const unknownRoute = unknownRoutes(options.endpoints);
  const app = Fastify({
    loggerInstance: frameworkLog(options.log),
    childLoggerFactory: (_, bindings, settings) => options.log.child(bindings, settings),
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: BODY_BYTES_MAX,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    requestIdHeader: false,
    genReqId: requestId,
    ...TIMEOUTS,
    handlerTimeout: options.handlerTimeoutMs ?? 10_000,
    http: HEAD_LIMITS,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenConnection,
    routerOptions: { maxParamLength: 256 },
    frameworkErrors: (error, request, reply) => {
      reply.headers({ ...constant, 'x-request-id': request.id }); // no hook has seen this request
      sendProblem(request as FastifyRequest, reply, toProblem(error, options.translate));
    },
  });
  app.server.maxHeadersCount = 100;
  app.server.on('checkExpectation', refuseExpectation);
  app.server.on('connect', (request, socket) => answerTunnel(unknownRoute(request.url ?? ''), socket));
  app.server.maxConnections = SOCKETS_MAX;
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(constant);
    reply.header('x-request-id', request.id);
    // RFC 9112 §3.2. Node's own answer would have no body.
    const hostless = request.headers.host === undefined && request.raw.httpVersion !== '1.0';
    if (hostless) return done(problem('bad_request', { detail: 'Send a Host header.' }));
    // Node keeps the first and says nothing; what stands in front may have judged by another (RFC 6750 §2).
    const doubled = request.headers.authorization !== undefined && countOf(request.raw.rawHeaders, 'authorization') > 1;
    done(doubled ? problem('bad_request', { detail: 'Send one Authorization header.' }) : undefined);
  });
  endIdleWhileClosing(app);
  await registerPlugins(app, options, unknownRoute);
  const draw = await openLimits(app, options.limits);
  const guard: Guard = { ...options.guard, draw };
  const isOAuth = oauthRequests(options.endpoints);
  app.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) => {
    if (isOAuth(request)) return sendOAuthError(request, reply, error, { translate: options.translate, draw });
    const thrown = isSlowBody(error, request) ? problem('request_timeout') : toProblem(error, options.translate);
    return sendProblem(request, reply, thrown);
  });
  readBodies(app);
  // From here on a route that is not an endpoint does not boot.
  app.addHook('onRoute', (route) => {
    if ((route.config as { mark?: symbol } | undefined)?.mark !== ROUTE_MARK) {
      throw new Error(
        `${String(route.method)} ${route.url} was not declared by endpoint(): every route states its access`,
      );
    }
  });
  for (const declared of options.endpoints) mountEndpoint(app, declared, guard);
  // Before the body is read, as for every route: unknown paths are counted, whatever is sent to them.
  app.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    await draw(request, reply, 'other', `ip ${networkOf(request.ip)}`);
    throw unknownRoute(request.url);
  });
  return app;
}

/** Closing waits for connections to end: those without a request, or that came to the end of one since, shall not hold it up. */
function endIdleWhileClosing(app: FastifyInstance): void {
  const sockets = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  app.addHook('preClose', (done) => {
    const timer = setInterval(() => {
      app.server.closeIdleConnections();
      for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
    }, CLOSING_STEP_MS);
    app.server.once('close', () => clearInterval(timer));
    done();
  });
}

/** How often a header was sent; the list has names and values in turn. */
function countOf(rawHeaders: readonly string[], wanted: string): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === wanted).length;
}

/** For what the framework says of itself: that it listens is told by whoever started it. */
function frameworkLog(log: FastifyBaseLogger): FastifyBaseLogger {
  return log.child({}, { level: ['trace', 'debug', 'info'].includes(log.level) ? 'warn' : log.level });
}

function requestId(raw: { headers: Record<string, string | string[] | undefined> }): string {
  const sent = raw.headers['x-request-id'];
  return typeof sent === 'string' && SANE_REQUEST_ID.test(sent) ? sent : randomUUID();
}

// What proxies ask before they let a request pass, with its own method perhaps.
const ASKED_BY_PROXIES = /^\/verify(?:[/?]|$)/;

async function registerPlugins(
  app: FastifyInstance,
  options: ServerOptions,
  unknownRoute: ReturnType<typeof unknownRoutes>,
): Promise<void> {
  await app.register(cookie, { hook: false }); // parsed where a route asks for one
  if (options.corsOrigins.length > 0) {
    // Some proxies take every 2xx for leave to pass: a preflight is no proof, and gets none there.
    app.addHook('onRequest', async (request) => {
      if (request.method === 'OPTIONS' && ASKED_BY_PROXIES.test(request.url)) throw unknownRoute(request.url);
    });
    await app.register(cors, {
      origin: [...options.corsOrigins],
      credentials: true,
      strictPreflight: false, // its own refusal of an incomplete preflight is no problem+json
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'x-request-id', 'x-tenant-id', 'x-organization-slug'],
      exposedHeaders: ['x-request-id', 'retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
      maxAge: 600,
    });
  }
  app.addHook('onResponse', (request, reply, done) => {
    const caller = request.getDecorator<Principal | null>('caller');
    request.log.info(
      {
        method: request.method,
        route: request.routeOptions.url ?? null,
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        network: wideNetwork(request.ip),
        [caller?.kind === 'client' ? 'clientId' : 'userId']: caller?.id,
        ...request.getDecorator<object | null>('serviceClient'),
        organizationId: caller?.organizationId ?? undefined,
      },
      'request',
    );
    done();
  });
  app.decorateRequest('caller', null);
  app.decorateRequest('serviceClient', null);
}

/** The address with its last part blanked: enough to tell networks apart, too little to tell people. */
function wideNetwork(ip: string | undefined): string {
  if (!ip) return 'unknown';
  const network = prefixOf(ip, 48); // IPv4 within IPv6 comes out as IPv4
  return network.includes(':') ? network : network.replace(/\.\d+$/, '.0/24');
}

/** JSON, or a form where the endpoint is of that wire; nothing else. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      const isForm = wireOf(request) === 'oauth';
      const { 'content-type': type, 'content-encoding': encoding } = request.headers;
      // No body is no media type: a DELETE or POST without content needs no header.
      if (bytes.length > 0) (isForm ? assertFormType : assertJsonType)(type, encoding);
      done(null, (isForm ? parseForm : parseBody)(bytes as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}
