// The service in this process: opened, drained and closed. What it stands on is parts.ts' matter, what it offers
// endpoints.ts', what it does by itself loops.ts'.
import type { FastifyInstance } from 'fastify';
import type { Config } from '../base/config/config.ts';
import { remarksOn } from '../base/config/remarks.ts';
import { problem } from '../base/errors/problem.ts';
import { openServer } from '../base/http/server.ts';
import { NoSigningKey } from '../credentials/keys/ring.ts';
import { PasswordQueueFull } from '../credentials/passwords/hashing.ts';
import { isMembershipGone } from '../sign-in/sessions/store.ts';
import { listEndpoints } from './endpoints.ts';
import { composeFeatures, composeGuard } from './features.ts';
import { listLoops, startLoops, stopLoops } from './loops.ts';
import { openParts, type Parts, type PartsOptions } from './parts.ts';
import { openReadiness } from './readiness.ts';

export interface AppOptions extends PartsOptions {
  /** The folder that holds openapi.yaml. */
  readonly root: string;
  /** Another time than the service's for the answer of a request. */
  readonly handlerTimeoutMs?: number;
}

export interface App {
  readonly server: FastifyInstance;
  /** What it stands on, for operations that no request asks for. */
  readonly parts: Parts;
  /** Not ready from now on; running requests go on. */
  drain(): void;
  /** Finishes running requests and closes everything that was opened. */
  close(): Promise<void>;
}

/** Opens the service without listening. Raises what makes a start impossible: no key, shared keys. */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, log, root, handlerTimeoutMs } = options;
  const parts = await openParts(options);
  for (const remark of remarksOn(config)) log.warn(remark);
  const readiness = openReadiness(config, parts);
  const features = composeFeatures(config, parts, readiness);
  const server = await openServer({
    log,
    ...(handlerTimeoutMs === undefined ? {} : { handlerTimeoutMs }),
    endpoints: listEndpoints(features, config.DOCS_ENABLED ? root : null),
    guard: composeGuard(parts),
    translate,
    limits: limitsOf(config),
    corsOrigins: config.CORS_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    https: config.PUBLIC_URL.startsWith('https://'),
  });
  const loops = listLoops(config, parts);
  startLoops(loops);

  function drain(): void {
    readiness.drain();
    parts.feed.close(); // its streams would never end by themselves; their consumers come to another replica
  }

  return {
    server,
    parts,
    drain,
    async close() {
      drain();
      await server.close();
      await stopLoops(loops);
      await parts.db.close();
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

/** The problem that an error of the features is to a requester; null for one that none foresaw. */
function translate(error: unknown) {
  if (error instanceof PasswordQueueFull)
    return problem('service_busy', { retryAfterSeconds: error.retryAfterSeconds });
  if (isMembershipGone(error)) return problem('organization_access_denied');
  if (error instanceof NoSigningKey) return problem('signing_unavailable', { retryAfterSeconds: 5 });
  return null;
}
