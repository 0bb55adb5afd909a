// Reads and validates the environment, once. The schema below is also the documentation of every variable:
// docs/configuration.md and .env.example are generated from it. No other file reads process.env.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OperatorError } from '../errors/operator-error.ts';
import { contradictions } from './contradictions.ts';
import {
  audience,
  duration,
  flag,
  idempotencyKeysMax,
  isOrigin,
  list,
  mailbox,
  origin,
  postgresUrl,
  redisUrls,
  smtpUrl,
  wholeNumber,
} from './fields.ts';

const DAY = 86_400;
const SHUTDOWN_DELAY_SECONDS = 5;

/**
 * Every variable, in the order of the documentation. The value of a `secret` variable may also be given in the file
 * that NAME_FILE names.
 */
export const ENVIRONMENT = {
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .default('development')
    .meta({ description: 'production refuses development keys, the embedded database and a PUBLIC_URL with http.' }),
  HOST: z.string().default('127.0.0.1').meta({ description: 'The address to listen on.' }),
  PORT: wholeNumber(0, 65_535).default(3000).meta({ description: 'The port to listen on; 0 means any free port.' }),
  PUBLIC_URL: origin.optional().meta({
    description:
      'The address at which clients reach the service. It is also the issuer (iss) of its tokens. Default: http://localhost:PORT.',
  }),
  DATA_DIR: z
    .string()
    .default('.data')
    .meta({ description: 'The folder for the embedded database, development keys and caches.' }),
  DATABASE_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The address of PostgreSQL 15 or newer, with the role that owns the tables. Migrations run as this role; the service itself connects as two restricted roles. Unset: an embedded PostgreSQL (development only).',
  }),
  DATABASE_APP_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The address of the database with the restricted role of the service (a member of tenantry_app). Default: tenantry_app on the server of DATABASE_URL. The role is created when it is missing, with a password derived from the owner’s.',
  }),
  DATABASE_SYSTEM_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The same for the role that sign-in, refresh and background jobs use (a member of tenantry_system). Default: tenantry_system on the server of DATABASE_URL, created in the same way.',
  }),
  DATABASE_POOL_SIZE: wholeNumber(1, 200)
    .default(10)
    .meta({ description: 'The maximum number of connections of each of the two roles.' }),
  REDIS_URL: redisUrls.optional().meta({
    secret: true,
    description:
      'The address of Redis 7 or newer: redis[s]://[user:password@]host[:port][/database]. With Redis, replicas receive revocations within milliseconds. For a cluster, one node is enough; separate several nodes by commas. Unset: replicas read revocations from PostgreSQL, within a second.',
  }),
  KEYS_DIR: z.string().optional().meta({
    description:
      'The folder with the signing keys, in access/ and refresh/. Default in development: DATA_DIR/keys, created when it is missing.',
  }),
  KEYS_PASSPHRASE: z
    .string()
    .min(1)
    .optional()
    .meta({ secret: true, description: 'The passphrase of private keys that are stored encrypted (PKCS#8).' }),
  JWT_ACCESS_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the key for access tokens, instead of KEYS_DIR/access.' }),
  JWT_REFRESH_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the key for refresh tokens, instead of KEYS_DIR/refresh.' }),
  TOKEN_AUDIENCE: audience
    .default('tenantry')
    .meta({ description: 'The audience (aud) of access tokens. The services that verify them expect this value.' }),
  TOKEN_AUDIENCES: list.pipe(z.array(audience)).prefault('').meta({
    description:
      'The audiences that an organization may give its service clients, separated by commas: exact texts, never * or the issuer. TOKEN_AUDIENCE is always one of them.',
  }),
  ACCESS_TOKEN_TTL: duration(30, 900)
    .prefault('15m')
    .meta({ description: 'The lifetime of an access token, at most 15 minutes.' }),
  REFRESH_TOKEN_TTL: duration(60, 365 * DAY)
    .prefault('30d')
    .meta({ description: 'The lifetime of a refresh token. Each refresh starts it again.' }),
  SESSION_MAX_AGE: duration(60, 365 * DAY)
    .prefault('90d')
    .meta({ description: 'The longest lifetime of a session. It ends then even when it is in use.' }),
  SESSION_RETENTION: duration(0, 3650 * DAY)
    .prefault('30d')
    .meta({
      description: 'How long an ended session is kept before it is removed. It is kept for at least 26 minutes.',
    }),
  SESSIONS_PER_USER_MAX: wholeNumber(1, 10_000).default(100).meta({
    description:
      'How many live sessions a user may have. One more sign-in ends the session that was unused for the longest time.',
  }),
  REFRESH_REUSE_GRACE: duration(0, 60)
    .prefault('10s')
    .meta({ description: 'For this time a repeated refresh gets the same answer and does not count as reuse.' }),
  REGISTRATION_MODE: z
    .enum(['open', 'closed'])
    .default('open')
    .meta({ description: 'open: anyone may register. closed: only people with an invitation may.' }),
  PASSWORD_MIN_LENGTH: wholeNumber(8, 128)
    .default(8)
    .meta({ description: 'The shortest password, in characters. 15 is recommended (NIST SP 800-63B-4).' }),
  PASSWORD_HASH_MEMORY_KIB: wholeNumber(19_456, 262_144)
    .default(19_456)
    .meta({ description: 'Memory of argon2id in KiB. A hash with other parameters is replaced at the next login.' }),
  PASSWORD_HASH_ITERATIONS: wholeNumber(2, 20).default(2).meta({ description: 'Iterations of argon2id.' }),
  PASSWORD_HASH_PARALLELISM: wholeNumber(1, 16).default(1).meta({ description: 'Lanes of argon2id.' }),
  PASSWORD_HASH_CONCURRENCY: wholeNumber(1, 64)
    .default(Math.min(availableParallelism(), 64))
    .meta({ description: 'How many password hashes are computed at once.', default: 'the number of cores' }),
  PASSWORD_HASH_QUEUE: wholeNumber(0, 10_000)
    .default(64)
    .meta({ description: 'How many password hashes may wait. Further sign-ins get 503 with Retry-After.' }),
  ROLE_PRESET: z.string().default('crm').meta({
    description:
      'The system roles of a new database: crm, workspace, callcenter, agents, or the path of a YAML file. A database that already has roles keeps them.',
  }),
  TRIAL_DAYS: wholeNumber(0, 365)
    .default(14)
    .meta({ description: 'The length of the trial of a new organization, in days.' }),
  TRIAL_TEAM_MEMBERS: wholeNumber(1, 1_000_000)
    .default(2)
    .meta({ description: 'The maximum number of team members during the trial.' }),
  TRIAL_MESSAGES: wholeNumber(0, 1_000_000_000)
    .default(100)
    .meta({ description: 'The maximum number of messages during the trial.' }),
  TRIAL_PHONE_NUMBERS: wholeNumber(0, 1_000_000)
    .default(1)
    .meta({ description: 'The maximum number of phone numbers during the trial.' }),
  CORS_ORIGINS: list
    .pipe(z.array(z.string().refine(isOrigin, 'must be an origin such as https://app.example.com')))
    .prefault('')
    .meta({
      description:
        'The exact origins of browser applications, separated by commas. They may also use the cookie transport. Production accepts https only.',
    }),
  TRUSTED_PROXIES: list
    .pipe(
      z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'must be IP addresses or CIDR ranges' })),
    )
    .prefault('')
    .meta({
      description:
        'Addresses or CIDR ranges of proxies whose X-Forwarded-For header is trusted, separated by commas. Production refuses ranges that together contain half of all addresses or more.',
    }),
  HSTS_INCLUDE_SUBDOMAINS: flag.prefault('false').meta({
    description:
      'true: browsers use only https for every subdomain of the host of PUBLIC_URL too, for a year. Every service on these names must then have https.',
  }),
  SHUTDOWN_DELAY: duration(0, 300).optional().meta({
    description:
      'How long the service still serves every request after SIGTERM, while /readyz already answers 503. In this time proxies must notice it. Default: 5s in production, otherwise 0.',
  }),
  PUBLIC_APP_URL: origin.optional().meta({
    description: 'The address of the application for people. Links in mails begin with it. Default: PUBLIC_URL.',
  }),
  SMTP_URL: smtpUrl.optional().meta({
    secret: true,
    description:
      'The mail server: smtps://user:password@host, or smtp:// with STARTTLS. Production requires STARTTLS, except for this machine or when the URL ends in ?tls=optional. Unset: mail is printed to the log; in production it waits.',
  }),
  MAIL_FROM: mailbox
    .default('Tenantry <no-reply@localhost>')
    .meta({ description: 'The sender of mails. Required in production together with SMTP_URL.' }),
  INVITATION_TTL: duration(300, 30 * DAY)
    .prefault('7d')
    .meta({ description: 'How long an invitation can be accepted.' }),
  INVITATION_MAILS_PER_DAY: wholeNumber(1, 1_000_000).default(200).meta({
    description:
      'How many invitation mails one organization, and one inviter in all organizations, may cause in 24 hours.',
  }),
  ORGANIZATIONS_PER_USER_MAX: wholeNumber(1, 1_000_000).default(20).meta({
    description: 'How many organizations a user may own. At this number the user cannot create another one.',
  }),
  IDEMPOTENCY_KEYS_MAX: idempotencyKeysMax,
  RATE_LIMIT_ENABLED: flag
    .prefault('true')
    .meta({ description: 'false turns every rate limit off. For load tests only.' }),
  RATE_LIMIT_SIGN_IN: wholeNumber(1, 1_000_000).default(10).meta({
    description: 'Attempts per minute from one client address. Sign-in and registration are counted separately.',
  }),
  RATE_LIMIT_REFRESH: wholeNumber(1, 1_000_000)
    .default(60)
    .meta({ description: 'Refreshes per minute of one session.' }),
  RATE_LIMIT_OTHER: wholeNumber(1, 1_000_000)
    .default(600)
    .meta({ description: 'Other requests per minute of one principal.' }),
  RATE_LIMIT_ORGANIZATION: wholeNumber(1, 1_000_000)
    .default(300)
    .meta({ description: 'Sign-in attempts per minute for one organization.' }),
  RATE_LIMIT_CLIENT: wholeNumber(1, 10_000_000)
    .default(6000)
    .meta({ description: 'Requests per minute of one service client.' }),
  FEED_STREAMS_MAX: wholeNumber(1, 5_000)
    .default(500)
    .meta({ description: 'The maximum number of open connections to the revocation feed, in each process.' }),
  FEED_STREAMS_PER_CLIENT_MAX: wholeNumber(1, 5_000)
    .default(10)
    .meta({ description: 'How many open connections one service client may have to the feed, in each process.' }),
  LOGIN_FAILURES_MAX: wholeNumber(1, 1000).default(5).meta({
    description: 'Wrong passwords for one account from one address in 15 minutes before further attempts are delayed.',
  }),
  DOCS_ENABLED: flag.optional().meta({ description: 'Serves the API reference at /docs. Default: not in production.' }),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'The lowest level that is logged.' }),
} as const;

const Environment = z.object(ENVIRONMENT);
/** The validated variables, before defaults that depend on other variables are filled in. */
export type Settings = z.output<typeof Environment>;

/** The frozen settings with every default filled in. Durations are in seconds. */
export type Config = Readonly<
  Omit<Settings, 'PUBLIC_URL' | 'PUBLIC_APP_URL' | 'KEYS_DIR' | 'DOCS_ENABLED' | 'SHUTDOWN_DELAY'>
> & {
  /** The issuer of every token. */
  readonly PUBLIC_URL: string;
  readonly PUBLIC_APP_URL: string;
  readonly KEYS_DIR: string;
  readonly DOCS_ENABLED: boolean;
  readonly SHUTDOWN_DELAY: number;
  readonly production: boolean;
};

/** The environment is wrong. `problems` has one line for each problem. */
export class ConfigRefused extends OperatorError {
  override readonly name = 'ConfigRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Returns the value of NAME, or the content of the file that NAME_FILE names, without its last line break. An empty
 * value counts as unset.
 */
function collect(env: NodeJS.ProcessEnv): { values: Record<string, string>; problems: string[] } {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, schema] of Object.entries(ENVIRONMENT)) {
    const direct = env[name];
    const file = schema.meta()?.secret ? env[`${name}_FILE`] : undefined;
    if (direct && file) problems.push(`${name}: set either ${name} or ${name}_FILE, not both`);
    if (direct) values[name] = direct;
    else if (file) {
      try {
        values[name] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      } catch (error) {
        problems.push(`${name}_FILE: the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
      }
    }
  }
  return { values, problems };
}

/** Reads the environment. Raises ConfigRefused, which lists every problem at once. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const { values, problems } = collect(env);
  const parsed = Environment.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${issue.path[0] as string}: ${issue.message}`);
    throw new ConfigRefused(problems);
  }
  const settings = parsed.data;
  const production = settings.NODE_ENV === 'production';
  const config: Config = Object.freeze({
    ...settings,
    TOKEN_AUDIENCES: [...new Set([settings.TOKEN_AUDIENCE, ...settings.TOKEN_AUDIENCES])],
    PUBLIC_URL: settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`,
    PUBLIC_APP_URL: settings.PUBLIC_APP_URL ?? settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`,
    KEYS_DIR: settings.KEYS_DIR ?? `${settings.DATA_DIR}/keys`,
    DOCS_ENABLED: settings.DOCS_ENABLED ?? !production,
    SHUTDOWN_DELAY: settings.SHUTDOWN_DELAY ?? (production ? SHUTDOWN_DELAY_SECONDS : 0),
    production,
  });
  problems.push(...contradictions(config, settings));
  if (problems.length > 0) throw new ConfigRefused(problems);
  return config;
}
