// The composition root: opens every part, hands each what it needs, and lists what the service offers.
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { openMembershipAccess } from '../access/checks/membership-access.ts';
import { checkRoutes } from '../access/checks/routes.ts';
import { removeExpiredAssertions } from '../access/client-authentication/remove-expired.ts';
import { clientRoutes } from '../access/clients/routes.ts';
import { forwardRoutes } from '../access/forward-auth/routes.ts';
import { oauthRoutes } from '../access/oauth/routes.ts';
import { createClientThrottle } from '../access/oauth/throttle.ts';
import { isPlatformAdministrator } from '../admin/administrators/store.ts';
import { administrationRoutes } from '../admin/organizations/routes.ts';
import { accessKeyRetention, type Config } from '../base/config/config.ts';
import { hashingOf, redisOf, trialOf } from '../base/config/handed-on.ts';
import { remarksOn } from '../base/config/remarks.ts';
import { type Database, type DatabaseBounds, openDatabase } from '../base/database/db.ts';
import type { DatabaseUrls } from '../base/database/open.ts';
import { docsRoutes } from '../base/docs/routes.ts';
import { problem } from '../base/errors/problem.ts';
import { type Check, healthRoutes } from '../base/health/routes.ts';
import type { Endpoint } from '../base/http/endpoint.ts';
import type { Authenticate } from '../base/http/mount.ts';
import { openServer } from '../base/http/server.ts';
import { openMail } from '../base/mail/smtp.ts';
import { openOutbox } from '../base/outbox/outbox.ts';
import type { Clock } from '../base/platform/clock.ts';
import type { Random } from '../base/platform/random.ts';
import { openFeed } from '../credentials/feed/feed.ts';
import { feedRoutes } from '../credentials/feed/routes.ts';
import { type KeyRing, keepApart, NoSigningKey, openKeyRing } from '../credentials/keys/ring.ts';
import { keyRoutes } from '../credentials/keys/routes.ts';
import { createPasswords, PasswordQueueFull, type Passwords } from '../credentials/passwords/hashing.ts';
import { openRevocations, type Revocations } from '../credentials/revocations/revocations.ts';
import type { VerifiedAccessToken } from '../credentials/tokens/access.ts';
import { createVerifiedCache } from '../credentials/tokens/verified-cache.ts';
import { invitationMail } from '../directory/invitations/mail.ts';
import { invitationRoutes } from '../directory/invitations/routes.ts';
import { memberRoutes } from '../directory/members/routes.ts';
import { organizationRoutes } from '../directory/organizations/routes.ts';
import { permissionRoutes } from '../directory/permissions/routes.ts';
import { profileRoutes } from '../directory/profile/routes.ts';
import { beginChange } from '../directory/rights/authority.ts';
import { roleRoutes } from '../directory/roles/routes.ts';
import type { Caller, OrganizationCaller, Principal } from '../protocol/caller.ts';
import type { Revocation } from '../protocol/revocation.ts';
import { acceptRoutes } from '../sign-in/accept-invitation/routes.ts';
import { endSessionsOfRemoved } from '../sign-in/member-sessions/member-sessions.ts';
import { memberSessionRoutes } from '../sign-in/member-sessions/routes.ts';
import { passwordRoutes } from '../sign-in/password/routes.ts';
import { createLoginThrottle } from '../sign-in/password/throttle.ts';
import { actFor } from '../sign-in/sessions/act-for.ts';
import { authenticate, identify } from '../sign-in/sessions/authenticate.ts';
import { cookieSettings } from '../sign-in/sessions/cookie.ts';
import { openRemoval } from '../sign-in/sessions/remove-ended.ts';
import { sessionRoutes } from '../sign-in/sessions/routes.ts';
import { isMembershipGone } from '../sign-in/sessions/store.ts';

export interface AppOptions {
  readonly config: Config;
  readonly urls: DatabaseUrls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FastifyBaseLogger;
  /** The folder that holds openapi.yaml. */
  readonly root: string;
  /** How passwords are hashed; as the configuration says unless it is given. */
  readonly passwords?: Passwords;
  /** Other bounds for PostgreSQL than those of the service. */
  readonly databaseBounds?: DatabaseBounds;
  /** Another time than the service's for the answer of a request. */
  readonly handlerTimeoutMs?: number;
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
/** Failed authentications of one service client a minute and network. */
const CLIENT_FAILURES_MAX = 10;

/** Opens the service without listening. Raises what makes a start impossible: no key, shared keys. */
export async function openApp(options: AppOptions): Promise<App> {
  const { config, log } = options;
  const { databaseBounds: bounds } = options;
  const db = openDatabase({ ...options.urls, poolSize: config.DATABASE_POOL_SIZE, log, ...(bounds && { bounds }) });
  const rings = await openRings(options);
  const revocations = openRevocations({ db, log, redis: redisOf(config) });
  for (const remark of remarksOn(config)) log.warn(remark);
  const deps = openDeps(options, db, rings, revocations);
  let draining = false;
  const checks: Record<string, Check> = {
    async database(): Promise<'ok'> {
      await db.ping();
      return 'ok';
    },
    keys() {
      for (const ring of [rings.accessKeys, rings.refreshKeys]) ring.signingKeyAt(options.clock.now());
      return 'ok';
    },
    ...(config.REDIS_URL && { revocation_stream: () => (revocations.isStreaming() ? 'ok' : 'degraded') }),
  };
  const endpoints = listEndpoints(deps, {
    checks,
    draining: () => draining,
    docsRoot: config.DOCS_ENABLED ? options.root : null,
  });
  const { handlerTimeoutMs } = options;
  const server = await openServer({
    log,
    ...(handlerTimeoutMs === undefined ? {} : { handlerTimeoutMs }),
    endpoints,
    guard: deps,
    translate,
    limits: {
      enabled: config.RATE_LIMIT_ENABLED,
      signIn: config.RATE_LIMIT_SIGN_IN,
      session: config.RATE_LIMIT_REFRESH,
      other: config.RATE_LIMIT_OTHER,
      organization: config.RATE_LIMIT_ORGANIZATION,
      client: config.RATE_LIMIT_CLIENT,
    },
    corsOrigins: config.CORS_ORIGINS,
    trustedProxies: config.TRUSTED_PROXIES,
    https: config.PUBLIC_URL.startsWith('https://'),
  });
  revocations.follow();
  deps.outbox.follow();
  const housekeeping = openRemoval({
    db,
    log,
    retentionSeconds: config.SESSION_RETENTION,
    removeOthers: () => removeExpiredAssertions(db),
  });
  housekeeping.start();
  return {
    server,
    deps,
    drain() {
      draining = true;
      deps.feed.close(); // its streams would never end by themselves; their consumers come to another replica
    },
    async close() {
      draining = true;
      deps.feed.close();
      await server.close();
      await deps.outbox.stop();
      await Promise.all([
        housekeeping.stop(),
        revocations.close(),
        rings.accessKeys.close(),
        rings.refreshKeys.close(),
      ]);
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
    ...passwordRoutes(deps),
    ...sessionRoutes(deps),
    ...profileRoutes(deps),
    ...organizationRoutes(deps),
    ...roleRoutes(deps),
    ...permissionRoutes(deps),
    ...administrationRoutes(deps),
    ...memberRoutes(deps),
    ...memberSessionRoutes(deps),
    ...checkRoutes(deps),
    ...forwardRoutes(deps),
    ...invitationRoutes(deps),
    ...acceptRoutes(deps),
    ...clientRoutes(deps),
    ...oauthRoutes(deps),
    ...feedRoutes(deps),
    ...keyRoutes(deps),
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
  keepApart(accessKeys, refreshKeys);
  return { accessKeys, refreshKeys };
}

export type AppDeps = ReturnType<typeof openDeps>;

function openDeps(options: AppOptions, db: Database, rings: Rings, revocations: Revocations) {
  const { config, clock, random, log } = options;
  const verified = createVerifiedCache<VerifiedAccessToken>(VERIFIED_TOKENS_MAX);
  rings.accessKeys.onChange(() => verified.clear()); // what a removed key signed must not live on in the cache
  const tokens = {
    ...rings,
    issuer: config.PUBLIC_URL,
    audience: config.TOKEN_AUDIENCE,
    accessTtlSeconds: config.ACCESS_TOKEN_TTL,
  };
  const base = { db, clock, random, log, revocations, verified, ...tokens };
  const mail = { url: config.SMTP_URL, from: config.MAIL_FROM, production: config.production, log };
  const kinds = [invitationMail({ random, appUrl: config.PUBLIC_APP_URL })];
  const outbox = openOutbox({ db, log, kinds, send: openMail(mail) });
  const access = openMembershipAccess(base);
  revocations.onRevocation(({ kind }) => kind === 'everything' && access.forget()); // after a backup was restored
  const feed = openFeed({
    ...base,
    streamsMax: config.FEED_STREAMS_MAX,
    streamsPerClientMax: config.FEED_STREAMS_PER_CLIENT_MAX,
  });
  return {
    ...base,
    authenticate: (...asked: Parameters<Authenticate>) => authenticate(base, ...asked),
    authenticateUser: async (...asked: Parameters<Authenticate>) => userOf(await authenticate(base, ...asked)),
    identify: (authorization: string) => identify(base, authorization),
    actFor: (caller: Caller, references: readonly string[]) => actFor(base, caller, references),
    access,
    feed,
    holds: (caller: OrganizationCaller, permission: string) => access.holds(caller, permission),
    isPlatformAdministrator: (caller: Caller) => isPlatformAdministrator(db.systemReader(), caller.id),
    /** Makes this process refuse at once, and others in a moment, what a committed change has revoked. Never raises. */
    publish: (changes: readonly Revocation[]): unknown => revocations.publish(changes),
    beginChange,
    endSessionsOfRemoved,
    outbox,
    nudgeOutbox: outbox.nudge,
    invitationTtlSeconds: config.INVITATION_TTL,
    mailsPerDayMax: config.INVITATION_MAILS_PER_DAY,
    organizationsPerUserMax: config.ORGANIZATIONS_PER_USER_MAX,
    refreshTtlSeconds: config.REFRESH_TOKEN_TTL,
    sessionMaxAgeSeconds: config.SESSION_MAX_AGE,
    graceSeconds: config.REFRESH_REUSE_GRACE,
    sessionsPerUserMax: config.SESSIONS_PER_USER_MAX,
    throttle: createLoginThrottle({
      clock,
      failuresMax: config.RATE_LIMIT_ENABLED ? config.LOGIN_FAILURES_MAX : Number.POSITIVE_INFINITY,
    }),
    clientThrottle: createClientThrottle({
      clock,
      failuresMax: config.RATE_LIMIT_ENABLED ? CLIENT_FAILURES_MAX : Number.POSITIVE_INFINITY,
    }),
    passwords: options.passwords ?? createPasswords(hashingOf(config)),
    passwordMinLength: config.PASSWORD_MIN_LENGTH,
    registrationMode: config.REGISTRATION_MODE,
    ...trialOf(config),
    cookie: cookieSettings(config.PUBLIC_URL, config.CORS_ORIGINS),
  };
}

function userOf(principal: Principal): Caller {
  if (principal.kind !== 'user') throw problem('user_required');
  return principal;
}

function translate(error: unknown) {
  if (error instanceof PasswordQueueFull)
    return problem('service_busy', { retryAfterSeconds: error.retryAfterSeconds });
  if (isMembershipGone(error)) return problem('organization_access_denied');
  if (error instanceof NoSigningKey) return problem('signing_unavailable', { retryAfterSeconds: 5 });
  return null;
}
