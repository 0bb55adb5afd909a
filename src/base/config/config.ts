// The environment, read and validated once. The schema below is also the documentation of every variable:
// docs/configuration.md and .env.example are generated from it. Nothing else reads process.env.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { OperatorError } from '../errors/operator-error.ts';
import { contradictions } from './contradictions.ts';
import {
  duration,
  flag,
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
const KEY_OVERLAP_SECONDS = 300;

/** Every variable, in the order in which the documentation shows them. `secret` ones may also be given as NAME_FILE. */
export const ENVIRONMENT = {
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .default('development')
    .meta({ description: 'production refuses development keys, the embedded database and an http PUBLIC_URL.' }),
  HOST: z.string().default('127.0.0.1').meta({ description: 'The address to listen on.' }),
  PORT: wholeNumber(0, 65_535).default(3000).meta({ description: 'The port to listen on; 0 takes a free one.' }),
  PUBLIC_URL: origin.optional().meta({
    description:
      'Where clients reach the service; also the issuer (iss) of its tokens. Default: http://localhost:PORT.',
  }),
  DATA_DIR: z
    .string()
    .default('.data')
    .meta({ description: 'The folder of the embedded database, development keys and caches.' }),
  DATABASE_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'PostgreSQL 15 or newer, as the role that owns the tables. Migrations run as this role; the service itself connects as two restricted roles. Unset: an embedded PostgreSQL (development only).',
  }),
  DATABASE_APP_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The service’s restricted role (a member of tenantry_app). Default: tenantry_app on the server of DATABASE_URL, made when missing, with a password derived from the owner’s.',
  }),
  DATABASE_SYSTEM_URL: postgresUrl.optional().meta({
    secret: true,
    description:
      'The role for sign-in, refresh and jobs (a member of tenantry_system). Default: likewise tenantry_system.',
  }),
  DATABASE_POOL_SIZE: wholeNumber(1, 200).default(10).meta({ description: 'Connections of each of the two roles.' }),
  REDIS_URL: redisUrls.optional().meta({
    secret: true,
    description:
      'Redis 7 or newer, by which replicas learn of revocations within milliseconds: redis[s]://[user:password@]host[:port][/database]. Of a cluster one node or endpoint is enough; further nodes follow with commas between. Unset: within a second, from PostgreSQL.',
  }),
  KEYS_DIR: z.string().optional().meta({
    description:
      'The folder with access/ and refresh/ signing keys. Default in development: DATA_DIR/keys, made when missing.',
  }),
  KEYS_PASSPHRASE: z
    .string()
    .min(1)
    .optional()
    .meta({ secret: true, description: 'Opens private keys that are stored encrypted (PKCS#8).' }),
  JWT_ACCESS_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the access-token key, instead of KEYS_DIR/access.' }),
  JWT_REFRESH_PRIVATE_KEY_PATH: z
    .string()
    .optional()
    .meta({ description: 'One PEM file with the refresh-token key, instead of KEYS_DIR/refresh.' }),
  TOKEN_AUDIENCE: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters')
    .default('tenantry')
    .meta({ description: 'The audience (aud) of access tokens; what the verifying services expect.' }),
  ACCESS_TOKEN_TTL: duration(30, 900)
    .prefault('15m')
    .meta({ description: 'Life of an access token, at most 15 minutes.' }),
  REFRESH_TOKEN_TTL: duration(60, 365 * DAY)
    .prefault('30d')
    .meta({ description: 'Life of a refresh token; slides with use.' }),
  SESSION_MAX_AGE: duration(60, 365 * DAY)
    .prefault('90d')
    .meta({ description: 'After this a session ends however much it is used.' }),
  SESSION_RETENTION: duration(0, 3650 * DAY)
    .prefault('30d')
    .meta({ description: 'How long ended sessions are kept before they are removed, 26 minutes at least.' }),
  SESSIONS_PER_USER_MAX: wholeNumber(1, 10_000)
    .default(100)
    .meta({ description: 'Live sessions of one user; a further sign-in ends the one used least recently.' }),
  REFRESH_REUSE_GRACE: duration(0, 60)
    .prefault('10s')
    .meta({ description: 'How long a repeated refresh gets the same answer instead of counting as reuse.' }),
  REGISTRATION_MODE: z
    .enum(['open', 'closed'])
    .default('open')
    .meta({ description: 'open: anyone may register. closed: only who has an invitation.' }),
  PASSWORD_MIN_LENGTH: wholeNumber(8, 128)
    .default(8)
    .meta({ description: 'Shortest password in characters. 15 is recommended (NIST SP 800-63B-4).' }),
  PASSWORD_HASH_MEMORY_KIB: wholeNumber(19_456, 262_144)
    .default(19_456)
    .meta({ description: 'argon2id memory in KiB. Hashes with other parameters are replaced at the next login.' }),
  PASSWORD_HASH_ITERATIONS: wholeNumber(2, 20).default(2).meta({ description: 'argon2id iterations.' }),
  PASSWORD_HASH_PARALLELISM: wholeNumber(1, 16).default(1).meta({ description: 'argon2id lanes.' }),
  PASSWORD_HASH_CONCURRENCY: wholeNumber(1, 64)
    .default(Math.min(availableParallelism(), 64))
    .meta({ description: 'Hashes computed at once.', default: 'the number of cores' }),
  PASSWORD_HASH_QUEUE: wholeNumber(0, 10_000)
    .default(64)
    .meta({ description: 'Hashes that may wait; past it sign-ins answer 503 with Retry-After.' }),
  ROLE_PRESET: z.string().default('crm').meta({
    description:
      'The system roles of a new database: crm, workspace, callcenter, agents, or the path of a YAML file. A database that has roles keeps them.',
  }),
  TRIAL_DAYS: wholeNumber(0, 365).default(14).meta({ description: 'Length of a new organization’s trial.' }),
  TRIAL_TEAM_MEMBERS: wholeNumber(1, 1_000_000).default(2).meta({ description: 'Team members in the trial.' }),
  TRIAL_MESSAGES: wholeNumber(0, 1_000_000_000).default(100).meta({ description: 'Messages in the trial.' }),
  TRIAL_PHONE_NUMBERS: wholeNumber(0, 1_000_000).default(1).meta({ description: 'Phone numbers in the trial.' }),
  CORS_ORIGINS: list
    .pipe(z.array(z.string().refine(isOrigin, 'must be an origin such as https://app.example.com')))
    .prefault('')
    .meta({
      description:
        'Origins of browser applications, exact, separated by commas. They may also use the cookie transport. Production takes https only.',
    }),
  TRUSTED_PROXIES: list
    .pipe(
      z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'must be IP addresses or CIDR ranges' })),
    )
    .prefault('')
    .meta({
      description:
        'Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed, separated by commas. Production refuses a range of all addresses.',
    }),
  PUBLIC_APP_URL: origin.optional().meta({
    description: 'Where people reach the application: links in mails begin with it. Default: PUBLIC_URL.',
  }),
  SMTP_URL: smtpUrl.optional().meta({
    secret: true,
    description:
      'Where mail is handed in: smtps://user:password@host, or smtp:// with STARTTLS, which production demands of any host but the own machine unless the URL ends in ?tls=optional. Unset: mail is printed to the log, in production it waits.',
  }),
  MAIL_FROM: mailbox
    .default('Tenantry <no-reply@localhost>')
    .meta({ description: 'The sender of mails. Required in production together with SMTP_URL.' }),
  INVITATION_TTL: duration(300, 30 * DAY)
    .prefault('7d')
    .meta({ description: 'How long an invitation can be accepted.' }),
  INVITATION_MAILS_PER_DAY: wholeNumber(1, 1_000_000).default(200).meta({
    description: 'Invitation mails that one organization, and one inviter in all of theirs, may cause in 24 hours.',
  }),
  ORGANIZATIONS_PER_USER_MAX: wholeNumber(1, 1_000_000)
    .default(20)
    .meta({ description: 'Organizations that a user may own before founding no more.' }),
  RATE_LIMIT_ENABLED: flag
    .prefault('true')
    .meta({ description: 'false switches every rate limit off: for load tests only.' }),
  RATE_LIMIT_SIGN_IN: wholeNumber(1, 1_000_000)
    .default(10)
    .meta({ description: 'Attempts a minute and client address, counted for sign-in and for registration apart.' }),
  RATE_LIMIT_REFRESH: wholeNumber(1, 1_000_000).default(60).meta({ description: 'Refreshes a minute and session.' }),
  RATE_LIMIT_OTHER: wholeNumber(1, 1_000_000)
    .default(600)
    .meta({ description: 'Other requests a minute and principal.' }),
  RATE_LIMIT_ORGANIZATION: wholeNumber(1, 1_000_000)
    .default(300)
    .meta({ description: 'Sign-in attempts a minute that name one organization.' }),
  RATE_LIMIT_CLIENT: wholeNumber(1, 10_000_000)
    .default(6000)
    .meta({ description: 'Requests a minute of one service client.' }),
  FEED_STREAMS_MAX: wholeNumber(1, 5_000)
    .default(500)
    .meta({ description: 'Open streams of the revocation feed, in each process.' }),
  FEED_STREAMS_PER_CLIENT_MAX: wholeNumber(1, 5_000)
    .default(10)
    .meta({ description: 'Open streams of the revocation feed of one service client, in each process.' }),
  LOGIN_FAILURES_MAX: wholeNumber(1, 1000)
    .default(5)
    .meta({ description: 'Wrong passwords in 15 minutes for one account from one address, before the delay grows.' }),
  DOCS_ENABLED: flag.optional().meta({ description: 'Serves the API reference at /docs. Default: not in production.' }),
  LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .meta({ description: 'Least level that is logged.' }),
} as const;

const Environment = z.object(ENVIRONMENT);
/** What was set, before anything follows from it. */
export type Settings = z.output<typeof Environment>;

/** The settings, frozen, with what follows from them filled in. Durations are seconds. */
export type Config = Readonly<Omit<Settings, 'PUBLIC_URL' | 'PUBLIC_APP_URL' | 'KEYS_DIR' | 'DOCS_ENABLED'>> & {
  /** The issuer of every token. */
  readonly PUBLIC_URL: string;
  readonly PUBLIC_APP_URL: string;
  readonly KEYS_DIR: string;
  readonly DOCS_ENABLED: boolean;
  readonly production: boolean;
};

/** A wrong environment: one line for each problem. */
export class ConfigRefused extends OperatorError {
  override readonly name = 'ConfigRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** The value of NAME, or the content of the file in NAME_FILE without its last line break. Empty counts as unset. */
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
    PUBLIC_URL: settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`,
    PUBLIC_APP_URL: settings.PUBLIC_APP_URL ?? settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`,
    KEYS_DIR: settings.KEYS_DIR ?? `${settings.DATA_DIR}/keys`,
    DOCS_ENABLED: settings.DOCS_ENABLED ?? !production,
    production,
  });
  problems.push(...contradictions(config, settings));
  if (problems.length > 0) throw new ConfigRefused(problems);
  return config;
}

/** How long an access key goes on verifying after its successor took over, in seconds. */
export function accessKeyRetention(config: Config): number {
  return config.ACCESS_TOKEN_TTL + KEY_OVERLAP_SECONDS;
}
