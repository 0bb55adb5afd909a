// Opens, drains and closes the service in this process. The shared parts of the service are in parts.ts, its endpoints
// in endpoints.ts, and its background work in loops.ts.
import type { FastifyInstance } from 'fastify';
import type { Config } from '../base/config/config.ts';
import { remarksOn } from '../base/config/remarks.ts';
import { databaseRemarks } from '../base/database/transport.ts';
import { problem } from '../base/errors/problem.ts';
import { type Farewell, openServer } from '../base/http/server.ts';
import { NoSigningKey } from '../credentials/keys/ring.ts';
import { PasswordQueueFull } from '../credentials/passwords/hashing.ts';
import { isMembershipGone } from '../sign-in/sessions/store.ts';
import { listEndpoints } from './endpoints.ts';
import { composeFeatures, composeGuard } from './features.ts';
import { listLoops, startLoops, stopLoops } from './loops.ts';
import { openParts, type Parts, type PartsOptions } from './parts.ts';
import { openReadiness } from './readiness.ts';

export interface AppOptions extends PartsOptions {
  /** The folder that contains openapi.yaml. */
  readonly root: string;
  /** Replaces the time limit that the service has for one request. */
  readonly handlerTimeoutMs?: number;
}

/** How long a connection without a request stays open when the service stops. A request may be on its way. */
const IDLE_MS = 1_000;

export interface App {
  readonly server: FastifyInstance;
  /** The shared parts, for operations without a request. */
  readonly parts: Parts;
  /** Makes the service not ready. Every request is still served. */
  drain(): void;
  /**
   * Makes the service not ready and ends its connections. The last answer on each connection tells the client to close
   * it. After a short time, no new connections are accepted. Resolves when every connection has ended.
   */
  leave(): Promise<void>;
  /** Finishes running requests and closes everything that was opened. */
  close(): Promise<void>;
}

/**
 * Opens the service without listening. Raises when the service cannot start, for example because a key is missing, or
 * because access tokens and refresh tokens would have the same key.
 */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, log, root, handlerTimeoutMs } = options;
  const parts = await openParts(options);
  for (const remark of [...remarksOn(config), ...databaseRemarks(config)]) log.warn(remark);
  const readiness = openReadiness(config, parts);
  const features = composeFeatures(config, parts, readiness);
  const server = await openServer({
    log,
    ...(handlerTimeoutMs === undefined ? {} : { handlerTimeoutMs }),
    endpoints: listEndpoints(features, config.DOCS_ENABLED ? root : null),
    guard: composeGuard(config, parts),
    translate,
    limits: limitsOf(config),
    corsOrigins: config.CORS_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    https: config.PUBLIC_URL.startsWith('https://'),
    httpsSubdomains: config.HSTS_INCLUDE_SUBDOMAINS,
  });
  const loops = listLoops(config, parts);
  startLoops(loops);

  function endFeed(): void {
    readiness.drain();
    parts.feed.close(); // its connections would not end by themselves; clients reconnect to another replica
  }

  return {
    server,
    parts,
    drain: readiness.drain,
    async leave() {
      endFeed();
      await server.getDecorator<Farewell>('farewell')({ idleMs: IDLE_MS });
    },
    async close() {
      endFeed();
      await server.close();
      await stopLoops(loops).finally(() => parts.db.close());
    },
  };
}

function limitsOf(config: Config) {
  return {
    enabled: config.RATE_LIMIT_ENABLED,
    signIn: config.RATE_LIMIT_SIGN_IN,
    session: config.RATE_LIMIT_REFRESH,
    other: config.RATE_LIMIT_OTHER,
    organization: config.RATE_LIMIT_ORGANIZATION,
    client: config.RATE_LIMIT_CLIENT,
  };
}

/** Returns the problem for an error of a feature; null for an unexpected error. */
function translate(error: unknown) {
  if (error instanceof PasswordQueueFull)
    return problem('service_busy', { retryAfterSeconds: error.retryAfterSeconds, isUnchanged: true });
  if (isMembershipGone(error)) return problem('organization_access_denied');
  if (error instanceof NoSigningKey) return problem('signing_unavailable', { retryAfterSeconds: 5 });
  return null;
}
