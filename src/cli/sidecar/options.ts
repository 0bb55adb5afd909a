// The options of `tenantry sidecar`: each as an argument and as a variable of the environment, the argument first. They are
// the sidecar's own: it needs no database and none of the service's configuration.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { z } from 'zod';
import { duration, isOrigin, list, wholeNumber } from '../../base/config/fields.ts';
import { SIDECAR_DEFAULTS as DEFAULTS } from '../../sidecar/core/contract.ts';
import { UsageRefused } from '../refusal.ts';

interface Setting<S extends z.ZodType = z.ZodType> {
  readonly flags: string;
  readonly variable: string;
  readonly description: string;
  readonly schema: S;
  /** As it would be typed; undefined for none. */
  readonly fallback?: string;
}

const url = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL', abort: true })
  .refine((value) => !/[?#@]/.test(value), 'must have no query, fragment or credentials');
const base = url
  .refine(
    (value) => new URL(value).pathname === '/',
    'must be a scheme, host and port alone: paths are handed on as they come',
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

/** Every option, in the order in which help shows them. */
export const SIDECAR_OPTIONS = {
  upstream: setting('--upstream <url>', base, 'the server behind the sidecar, such as http://127.0.0.1:8080'),
  listen: setting('--listen <host:port>', address, 'where clients connect', '127.0.0.1:9000'),
  issuer: setting('--issuer <url>', url, 'the PUBLIC_URL of Tenantry, exactly as it stands in its tokens'),
  audience: setting(
    '--audience <audience>',
    text,
    'the audience of the tokens; several separated by commas',
    'tenantry',
  ),
  serviceUrl: setting(
    '--service-url <url>',
    url,
    'where Tenantry is reached from here, when that is not at the issuer',
  ),
  clientId: setting(
    '--client-id <id>',
    text,
    'the service client that may read revocations; its secret stands in TENANTRY_CLIENT_SECRET or the file TENANTRY_CLIENT_SECRET_FILE',
  ),
  clientKeyFile: setting(
    '--client-key-file <file>',
    text,
    'the private key of that client, instead of a secret: PEM or JWK',
  ),
  maxStaleness: setting(
    '--max-staleness <time>',
    seconds(1, 3600),
    'how old the news of revocations may be before new sockets are refused',
    '30s',
  ),
  cookie: setting('--cookie <name>', name, 'a cookie that may hold the token'),
  queryParameter: setting(
    '--query-parameter <name>',
    name,
    'a query parameter that may hold the token: it ends up in logs of whatever is in front',
  ),
  firstMessage: setting('--first-message', flag, 'let sockets without a token send it as their first message', 'false'),
  forwardToken: setting('--forward-token', flag, 'give the upstream the token, in Authorization', 'false'),
  allowedOrigins: setting(
    '--allowed-origins <list>',
    list.pipe(z.array(z.string().refine(isOrigin, 'must be origins such as https://app.example.com'))),
    'origins of browser applications, separated by commas; every Origin that is sent must then be one of them',
    '',
  ),
  trustedProxies: setting(
    '--trusted-proxies <list>',
    list.pipe(z.array(z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], 'must be IP addresses or CIDR ranges'))),
    'addresses or CIDR ranges of proxies in front whose X-Forwarded-Proto and -Host are believed',
    '',
  ),
  maxMessage: setting(
    '--max-message <bytes>',
    wholeNumber(1, 1_073_741_824),
    'longest message, in bytes',
    DEFAULTS.messageBytesMax,
  ),
  maxSockets: setting('--max-sockets <n>', wholeNumber(1, 1_000_000), 'sockets at once', DEFAULTS.socketsMax),
  maxSocketsPerUser: setting(
    '--max-sockets-per-user <n>',
    wholeNumber(1, 1_000_000),
    'sockets of one user or client at once',
    DEFAULTS.socketsPerUserMax,
  ),
  maxWaiting: setting(
    '--max-waiting <n>',
    wholeNumber(1, 1_000_000),
    'sockets that wait for their first message at once',
    DEFAULTS.waitingMax,
  ),
  firstMessageTimeout: setting(
    '--first-message-timeout <time>',
    seconds(1, 300),
    'how long they may wait',
    `${DEFAULTS.firstMessageSeconds}s`,
  ),
  handshakeTimeout: setting(
    '--handshake-timeout <time>',
    seconds(1, 300),
    'how long the upstream may take to accept a socket',
    `${DEFAULTS.handshakeSeconds}s`,
  ),
  upstreamTimeout: setting(
    '--upstream-timeout <time>',
    seconds(1, 3600),
    'how long the upstream may be silent within a plain request',
    `${DEFAULTS.upstreamSeconds}s`,
  ),
  pingInterval: setting(
    '--ping-interval <time>',
    seconds(1, 3600),
    'how often peers are asked for a sign of life',
    `${DEFAULTS.pingSeconds}s`,
  ),
  slowTimeout: setting(
    '--slow-timeout <time>',
    seconds(1, 3600),
    'how long a peer may take nothing of what waits for it',
    `${DEFAULTS.slowSeconds}s`,
  ),
  drain: setting('--drain <time>', seconds(0, 3600), 'over how long sockets are closed at the end', '10s'),
  managementListen: setting('--management-listen <host:port>', address, 'where /healthz and /readyz are served'),
  logLevel: setting(
    '--log-level <level>',
    z.enum(['debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'least level that is logged',
    'info',
  ),
} as const;

type Name = keyof typeof SIDECAR_OPTIONS;
/** What was given, read; undefined where nothing was and nothing holds otherwise. */
export type SidecarChoices = {
  readonly [N in Name]:
    | z.output<(typeof SIDECAR_OPTIONS)[N]['schema']>
    | ('fallback' extends keyof (typeof SIDECAR_OPTIONS)[N] ? never : undefined);
};

/** Adds the options to the command. Defaults are not told to it: the environment stands between. */
export function addSidecarOptions(command: Command): void {
  for (const { flags, description, variable, fallback } of Object.values<Setting>(SIDECAR_OPTIONS)) {
    const usually =
      fallback === undefined || fallback === '' || fallback === 'false' ? '' : `; ${fallback} unless told`;
    command.option(flags, `${description} (${variable}${usually})`);
  }
  command.option('--no-revocation', 'verify tokens alone: whatever is revoked goes on until its token expires');
}

/** Reads the options from the arguments and the environment. Raises UsageRefused with every mistake. */
export function readSidecarOptions(given: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv): SidecarChoices {
  const choices: Record<string, unknown> = {};
  const problems: string[] = [];
  const wrong = new Set<string>();
  for (const [key, { flags, variable, schema, fallback }] of Object.entries<Setting>(SIDECAR_OPTIONS)) {
    const typed = given[key] === true ? 'true' : given[key];
    const value = typed ?? (env[variable] || fallback);
    if (value === undefined) continue;
    const parsed = schema.safeParse(value);
    const place = typed === undefined ? variable : flags.split(' ')[0];
    if (parsed.success) {
      choices[key] = parsed.data;
      continue;
    }
    wrong.add(key);
    for (const { message } of parsed.error.issues) problems.push(`${place}: ${message}`);
  }
  const missing = (['upstream', 'issuer'] as const).filter((key) => choices[key] === undefined && !wrong.has(key));
  for (const { flags, variable } of missing.map((key) => SIDECAR_OPTIONS[key])) {
    problems.push(`${flags.split(' ')[0]} (or ${variable}) is needed`);
  }
  if (problems.length > 0) throw new UsageRefused('usage', problems.join('; '));
  return choices as SidecarChoices;
}

/** How the sidecar proves itself to the service, or null where it was said to do without. Raises UsageRefused. */
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
      'Revocations are read as a service client: give --client-id with TENANTRY_CLIENT_SECRET, TENANTRY_CLIENT_SECRET_FILE or --client-key-file (one of them). Without them revoked tokens would go on until they expire: say --no-revocation if that is meant',
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

function fileContent(place: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageRefused('usage', `${place}: the file ${file} cannot be read (${code})`);
  }
}

function jwkOf(content: string): Record<string, unknown> {
  try {
    return JSON.parse(content) as Record<string, unknown>;
  } catch {
    throw new UsageRefused('usage', '--client-key-file: the file is neither PEM nor a JWK');
  }
}
