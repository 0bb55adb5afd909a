// The options of `tenantry sidecar`. Each option except --no-revocation can be an argument or a variable of the
// environment. An argument overrides a variable. The options are separate from the configuration of the service,
// because the sidecar needs neither that configuration nor a database.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { z } from 'zod';
import { duration, isOrigin, list, wholeNumber } from '../../base/config/fields.ts';
import { SIDECAR_DEFAULTS as DEFAULTS } from '../../sidecar/core/contract.ts';
import { UsageRefused } from '../line/refusal.ts';

interface Setting<S extends z.ZodType = z.ZodType> {
  readonly flags: string;
  readonly variable: string;
  readonly description: string;
  readonly schema: S;
  /** The default, as a person would type it. Undefined when the option has no default. */
  readonly fallback?: string;
}

const url = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL', abort: true })
  .refine((value) => !/[?#@]/.test(value), 'must have no query, fragment or credentials');
const base = url
  .refine(
    (value) => new URL(value).pathname === '/',
    'must be only a scheme, host and port: the path of a request is passed on unchanged',
  )
  .transform((value) => new URL(value));
const address = z
  .string()
  .regex(/^(?:\[[\da-f:.]+\]|[\w.-]+)?:\d{1,5}$/i, 'must be host:port, such as 0.0.0.0:9000')
  .transform((value) => {
    const colon = value.lastIndexOf(':');
    return { host: value.slice(0, colon).replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(value.slice(colon + 1)) };
  })
  .refine(({ port }) => port <= 65_535, 'must have a port of at most 65535');
const name = z.string().regex(/^[!#$%&'*+.^_`|~\w-]{1,100}$/, 'must be a plain name');
const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');
const text = z.string().min(1).max(512);
const seconds = (low: number, high: number) => duration(low, high);

function setting<S extends z.ZodType>(flags: string, schema: S, description: string, fallback?: string | number) {
  const long = /--([a-z-]+)/.exec(flags)?.[1] ?? '';
  const ofVerifier = ['issuer', 'audience', 'service-url', 'client-id', 'client-key-file'].includes(long);
  const variable = `TENANTRY_${ofVerifier ? '' : 'SIDECAR_'}${long.replaceAll('-', '_').toUpperCase()}`;
  const made: Setting<S> = { flags, variable, description, schema };
  return fallback === undefined ? made : { ...made, fallback: String(fallback) };
}

/** The options except --no-revocation, in the order in which the help text shows them. */
export const SIDECAR_OPTIONS = {
  upstream: setting('--upstream <url>', base, 'the server behind the sidecar, such as http://127.0.0.1:8080'),
  listen: setting('--listen <host:port>', address, 'the address where clients connect', '127.0.0.1:9000'),
  issuer: setting('--issuer <url>', url, 'the PUBLIC_URL of Tenantry, exactly as in its tokens'),
  audience: setting(
    '--audience <audience>',
    text,
    'the audience of the tokens; several separated by commas',
    'tenantry',
  ),
  serviceUrl: setting('--service-url <url>', url, 'the address of Tenantry from here, when it differs from the issuer'),
  clientId: setting(
    '--client-id <id>',
    text,
    'the service client that may read revocations; its secret is in TENANTRY_CLIENT_SECRET or in the file TENANTRY_CLIENT_SECRET_FILE',
  ),
  clientKeyFile: setting(
    '--client-key-file <file>',
    text,
    'the private key of that client, instead of a secret: PEM or JWK',
  ),
  maxStaleness: setting(
    '--max-staleness <time>',
    seconds(1, 3600),
    'the highest age of the known revocations before new sockets are refused',
    '30s',
  ),
  cookie: setting('--cookie <name>', name, 'a cookie that may contain the token'),
  queryParameter: setting(
    '--query-parameter <name>',
    name,
    'a query parameter that may contain the token; proxies in front may write it to their logs',
  ),
  firstMessage: setting('--first-message', flag, 'a socket without a token may send it as its first message', 'false'),
  forwardToken: setting('--forward-token', flag, 'send the token to the upstream, in Authorization', 'false'),
  allowedOrigins: setting(
    '--allowed-origins <list>',
    list.pipe(z.array(z.string().refine(isOrigin, 'must be origins such as https://app.example.com'))),
    'origins of browser applications, separated by commas; a request with another Origin is refused',
    '',
  ),
  trustedProxies: setting(
    '--trusted-proxies <list>',
    list.pipe(z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], 'must be IP addresses or CIDR ranges'))),
    'addresses or CIDR ranges of proxies in front whose X-Forwarded-Proto and X-Forwarded-Host are trusted',
    '',
  ),
  maxMessage: setting(
    '--max-message <bytes>',
    wholeNumber(1, 1_073_741_824),
    'the longest message, in bytes',
    DEFAULTS.messageBytesMax,
  ),
  maxSockets: setting(
    '--max-sockets <n>',
    wholeNumber(1, 1_000_000),
    'the maximum number of open sockets',
    DEFAULTS.socketsMax,
  ),
  maxSocketsPerUser: setting(
    '--max-sockets-per-user <n>',
    wholeNumber(1, 1_000_000),
    'the maximum number of open sockets of one user or client',
    DEFAULTS.socketsPerUserMax,
  ),
  maxWaiting: setting(
    '--max-waiting <n>',
    wholeNumber(1, 1_000_000),
    'the maximum number of open sockets that wait for their first message',
    DEFAULTS.waitingMax,
  ),
  firstMessageTimeout: setting(
    '--first-message-timeout <time>',
    seconds(1, 300),
    'the longest time that a socket waits for its first message',
    `${DEFAULTS.firstMessageSeconds}s`,
  ),
  handshakeTimeout: setting(
    '--handshake-timeout <time>',
    seconds(1, 300),
    'the longest time for the upstream to accept a socket',
    `${DEFAULTS.handshakeSeconds}s`,
  ),
  upstreamTimeout: setting(
    '--upstream-timeout <time>',
    seconds(1, 3600),
    'the longest silence of the upstream during a plain request',
    `${DEFAULTS.upstreamSeconds}s`,
  ),
  pingInterval: setting(
    '--ping-interval <time>',
    seconds(1, 3600),
    'the time between two pings to a peer',
    `${DEFAULTS.pingSeconds}s`,
  ),
  slowTimeout: setting(
    '--slow-timeout <time>',
    seconds(1, 3600),
    'the longest time that a peer reads nothing of the data that waits for it',
    `${DEFAULTS.slowSeconds}s`,
  ),
  shutdownDelay: setting(
    '--shutdown-delay <time>',
    seconds(0, 300),
    'how long everything is still served at the end while /readyz already answers 503; 5s by default with NODE_ENV=production, otherwise 0',
  ),
  drain: setting('--drain <time>', seconds(0, 3600), 'the time over which sockets are closed at the end', '10s'),
  managementListen: setting('--management-listen <host:port>', address, 'the address of /healthz and /readyz'),
  logLevel: setting(
    '--log-level <level>',
    z.enum(['debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'the lowest level that is logged',
    'info',
  ),
} as const;

type Name = keyof typeof SIDECAR_OPTIONS;
/** The parsed options; undefined for an option without a value or a default. */
export type SidecarChoices = {
  readonly [N in Name]:
    | z.output<(typeof SIDECAR_OPTIONS)[N]['schema']>
    | ('fallback' extends keyof (typeof SIDECAR_OPTIONS)[N] ? never : undefined);
};

/**
 * Adds the options to the command without their defaults, because a variable of the environment overrides a default.
 */
export function addSidecarOptions(command: Command): void {
  for (const { flags, description, variable, fallback } of Object.values<Setting>(SIDECAR_OPTIONS)) {
    const byDefault =
      fallback === undefined || fallback === '' || fallback === 'false' ? '' : `; ${fallback} by default`;
    command.option(flags, `${description} (${variable}${byDefault})`);
  }
  command.option('--no-revocation', 'do not follow revocations: a revoked token works until it expires');
}

/** Reads the options from the arguments and the environment. Raises UsageRefused, which lists every mistake. */
export function readSidecarOptions(given: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv): SidecarChoices {
  const choices: Record<string, unknown> = {};
  const problems: string[] = [];
  const wrong = new Set<string>();
  for (const [key, { flags, variable, schema, fallback }] of Object.entries<Setting>(SIDECAR_OPTIONS)) {
    const typed = given[key] === true ? 'true' : given[key];
    const value = typed ?? (env[variable] || fallback);
    if (value === undefined) continue;
    const parsed = schema.safeParse(value);
    const source = typed === undefined ? variable : flags.split(' ')[0];
    if (parsed.success) {
      choices[key] = parsed.data;
      continue;
    }
    wrong.add(key);
    for (const { message } of parsed.error.issues) problems.push(`${source}: ${message}`);
  }
  const missing = (['upstream', 'issuer'] as const).filter((key) => choices[key] === undefined && !wrong.has(key));
  for (const { flags, variable } of missing.map((key) => SIDECAR_OPTIONS[key])) {
    problems.push(`${flags.split(' ')[0]} (or ${variable}) is required`);
  }
  if (problems.length > 0) throw new UsageRefused('usage', problems.join('; '));
  return choices as SidecarChoices;
}

/**
 * Returns the credentials that the sidecar uses at the service. Returns null with --no-revocation. Raises UsageRefused.
 */
export function readCredentials(
  { clientId, clientKeyFile }: Pick<SidecarChoices, 'clientId' | 'clientKeyFile'>,
  wantsRevocation: boolean,
  env: NodeJS.ProcessEnv,
) {
  const secret = secretOf(env);
  const given = [clientId, clientKeyFile, secret].filter((value) => value !== undefined);
  if (!wantsRevocation) {
    if (given.length > 0) throw new UsageRefused('usage', 'Give credentials or --no-revocation, not both');
    return null;
  }
  if (clientId === undefined || (secret === undefined) === (clientKeyFile === undefined)) {
    throw new UsageRefused(
      'usage',
      'The sidecar reads revocations as a service client: give --client-id with one of TENANTRY_CLIENT_SECRET, TENANTRY_CLIENT_SECRET_FILE and --client-key-file. To accept revoked tokens until they expire, give --no-revocation',
    );
  }
  if (secret !== undefined) return { clientId, clientSecret: secret };
  const content = fileContent('--client-key-file', clientKeyFile ?? '');
  return { clientId, privateKey: content.startsWith('{') ? jwkOf(content) : content };
}

function secretOf(env: NodeJS.ProcessEnv): string | undefined {
  const { TENANTRY_CLIENT_SECRET: direct, TENANTRY_CLIENT_SECRET_FILE: file } = env;
  if (direct && file) {
    throw new UsageRefused('usage', 'Set TENANTRY_CLIENT_SECRET or TENANTRY_CLIENT_SECRET_FILE, not both');
  }
  const secret = direct || (file ? fileContent('TENANTRY_CLIENT_SECRET_FILE', file) : undefined);
  if (secret === '') throw new UsageRefused('usage', `TENANTRY_CLIENT_SECRET_FILE: the file ${file} is empty`);
  return secret;
}

function fileContent(source: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageRefused('usage', `${source}: the file ${file} cannot be read (${code})`);
  }
}

function jwkOf(content: string): Record<string, unknown> {
  try {
    return JSON.parse(content) as Record<string, unknown>;
  } catch {
    throw new UsageRefused('usage', '--client-key-file: the file is neither PEM nor a JWK');
  }
}
