// The composition root: opens every part, hands each what it needs, and lists what the service offers.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { accessKeyRetention, type Config } from './config.ts';
import { problem } from './errors.ts';
import { docsRoutes } from './http/docs.ts';
import type { Endpoint } from './http/endpoint.ts';
import { type Check, healthRoutes } from './http/health.ts';
import { openServer } from './http/server.ts';
import { assertDistinct, type KeyRing, NoSigningKey, openKeyRing } from './keys/ring.ts';
import { memberRoutes } from './members/routes.ts';
import { organizationRoutes } from './organizations/routes.ts';
import { createPasswords, PasswordQueueFull } from './passwords/hashing.ts';
import type { Clock } from './platform/clock.ts';
import { type Database, openDatabase } from './platform/db.ts';
import type { DatabaseUrls } from './platform/open.ts';
import type { Random } from './platform/random.ts';
import { authenticate, identify } from './sessions/authenticate.ts';
import { cookieSettings } from './sessions/cookie.ts';
import { createLoginThrottle } from './sessions/login-throttle.ts';
import { removeEndedSessions } from './sessions/remove-ended.ts';
import { openRevocations, type Revocations } from './sessions/revocations.ts';
import { sessionRoutes } from './sessions/routes.ts';
import type { VerifiedAccessToken } from './tokens/access.ts';
import { wellKnownRoutes } from './tokens/routes.ts';
import { createVerifiedCache } from './tokens/verified-cache.ts';
import { userRoutes } from './users/routes.ts';

export interface AppOptions {
  readonly config: Config;
  readonly urls: DatabaseUrls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FastifyBaseLogger;
  /** The folder that holds openapi.yaml. */
  readonly root: string;
}

export interface App {
  readonly server: FastifyInstance;
  readonly deps: AppDeps;
  /** Not ready from now on; running requests go on. */
  drain(): void;
  /** Finishes running requests and closes everything that was opened. */
  close(): Promise<void>;
}

const VERIFIED_TOKENS_MAX = 20_000;

/** Opens the service without listening. Raises what makes a start impossible: no key, shared keys. */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, log } = options;
  const db = openDatabase({ ...options.urls, poolSize: config.DATABASE_POOL_SIZE, log });
  const rings = await openRings(options);
  const revocations = openRevocations({ db, log });
  const deps = openDeps(options, db, rings, revocations);
  let draining = false;
  const checks = {
    database: () => db.ping(),
    keys: () => void [rings.accessKeys, rings.refreshKeys].map((ring) => ring.signingKeyAt(options.clock.now())),
  };
  const endpoints = listEndpoints(deps, {
    checks,
    draining: () => draining,
    docsRoot: config.DOCS_ENABLED ? options.root : null,
  });
  const server = await openServer({
    log,
    endpoints,
    authenticate: deps.authenticate,
    translate,
    limits: {
      enabled: config.RATE_LIMIT_ENABLED,
      signIn: config.RATE_LIMIT_SIGN_IN,
      session: config.RATE_LIMIT_REFRESH,
      other: config.RATE_LIMIT_OTHER,
      organization: config.RATE_LIMIT_ORGANIZATION,
    },
    corsOrigins: config.CORS_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    https: config.PUBLIC_URL.startsWith('https://'),
  });
  revocations.follow();
  const housekeeping = removeEndedSessions({
    db,
    log,
    retentionSeconds: config.SESSION_RETENTION,
    accessTtlSeconds: config.ACCESS_TOKEN_TTL,
  });
  return {
    server,
    deps,
    drain() {
      draining = true;
    },
    async close() {
      draining = true;
      await server.close();
      housekeeping.stop();
      revocations.close();
      rings.accessKeys.close();
      rings.refreshKeys.close();
      await db.close();
    },
  };
}

export interface EndpointOptions {
  readonly checks: Readonly<Record<string, Check>>;
  readonly draining: () => boolean;
  /** The folder that holds openapi.yaml, or null to leave the reference page out. */
  readonly docsRoot: string | null;
}

/** Every endpoint of the service. Of `deps` only the issuer is read before a request comes. */
export function listEndpoints(deps: AppDeps, options: EndpointOptions): Endpoint[] {
  return [
    ...sessionRoutes(deps),
    ...userRoutes(deps),
    ...organizationRoutes(deps),
    ...memberRoutes(deps),
    ...wellKnownRoutes(deps),
    ...healthRoutes(options),
    ...(options.docsRoot === null ? [] : docsRoutes(options.docsRoot)),
  ];
}

interface Rings {
  readonly accessKeys: KeyRing;
  readonly refreshKeys: KeyRing;
}

async function openRings({ config, clock, log }: AppOptions): Promise<Rings> {
  const common = { clock, log, passphrase: config.KEYS_PASSPHRASE };
  const place = (use: string, file: string | undefined) =>
    file ? { file } : { directory: `${config.KEYS_DIR}/${use}` };
  const [accessKeys, refreshKeys] = await Promise.all([
    openKeyRing({
      ...common,
      ...place('access', config.JWT_ACCESS_PRIVATE_KEY_PATH),
      use: 'access',
      retentionSeconds: accessKeyRetention(config),
    }),
    openKeyRing({
      ...common,
      ...place('refresh', config.JWT_REFRESH_PRIVATE_KEY_PATH),
      use: 'refresh',
      retentionSeconds: config.REFRESH_TOKEN_TTL,
    }),
  ]);
  assertDistinct(accessKeys, refreshKeys);
  return { accessKeys, refreshKeys };
}

export type AppDeps = ReturnType<typeof openDeps>;

function openDeps({ config, clock, random, log }: AppOptions, db: Database, rings: Rings, revocations: Revocations) {
  const verified = createVerifiedCache<VerifiedAccessToken>(VERIFIED_TOKENS_MAX);
  rings.accessKeys.onChange(() => verified.clear()); // what a removed key signed must not live on in the cache
  const tokens = {
    ...rings,
    issuer: config.PUBLIC_URL,
    audience: config.TOKEN_AUDIENCE,
    accessTtlSeconds: config.ACCESS_TOKEN_TTL,
  };
  const base = { db, clock, random, log, revocations, verified, ...tokens };
  return {
    ...base,
    authenticate: (authorization: string | undefined) => authenticate(base, authorization),
    identify: (authorization: string) => identify(base, authorization),
    refreshTtlSeconds: config.REFRESH_TOKEN_TTL,
    sessionMaxAgeSeconds: config.SESSION_MAX_AGE,
    graceSeconds: config.REFRESH_REUSE_GRACE,
    sessionsPerUserMax: config.SESSIONS_PER_USER_MAX,
    throttle: createLoginThrottle({ clock, failuresMax: config.LOGIN_FAILURES_MAX }),
    passwords: createPasswords({
      parameters: {
        memoryKiB: config.PASSWORD_HASH_MEMORY_KIB,
        iterations: config.PASSWORD_HASH_ITERATIONS,
        parallelism: config.PASSWORD_HASH_PARALLELISM,
      },
      concurrency: config.PASSWORD_HASH_CONCURRENCY,
      queueMax: config.PASSWORD_HASH_QUEUE,
    }),
    passwordMinLength: config.PASSWORD_MIN_LENGTH,
    registrationMode: config.REGISTRATION_MODE,
    trialDays: config.TRIAL_DAYS,
    trialLimits: {
      teamMembers: config.TRIAL_TEAM_MEMBERS,
      messages: config.TRIAL_MESSAGES,
      phoneNumbers: config.TRIAL_PHONE_NUMBERS,
    },
    cookie: cookieSettings(config.PUBLIC_URL, config.CORS_ORIGINS),
  };
}

function translate(error: unknown) {
  if (error instanceof PasswordQueueFull)
    return problem('service_busy', { retryAfterSeconds: error.retryAfterSeconds });
  if (error instanceof NoSigningKey) return problem('signing_unavailable', { retryAfterSeconds: 5 });
  return null;
}
