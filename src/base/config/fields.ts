// The types of values in the environment, and how each is written. The variables are in settings/.
import { z } from 'zod';
import { isVisible } from '../platform/visible.ts';

/** Accepts digits only, because Number() would also accept 0x50, 1e3 and blanks. */
export function wholeNumber(low: number, high: number) {
  const error = `must be a whole number from ${low} to ${high}, in digits`;
  const read = (value: unknown) => (typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value);
  return z.preprocess(read, z.int({ error }).min(low, error).max(high, error));
}

export const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
export const list = z.string().transform((value) =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);
/** The audience (aud) of tokens. */
export const audience = z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be 1 to 200 visible ASCII characters');
export const postgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' });
export const origin = z
  .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL', abort: true })
  .refine(
    (value) => /^https?:\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?\/?$/i.test(value),
    'must be a scheme and a host alone, without a path, query, fragment, credentials or percent-encoding',
  )
  .transform((value) => value.replace(/\/+$/, ''));

/**
 * Whether the value is exactly as a browser sends it in Origin. A star is refused, because it looks like a pattern but
 * would not work as one.
 */
export function isOrigin(value: string): boolean {
  return /^https?:\/\/[^*]+$/.test(value) && URL.canParse(value) && new URL(value).origin === value;
}

/**
 * The URL of the mail server. A path, a fragment, and a query other than ?tls=optional are refused, so that a typing
 * error does not turn TLS off.
 */
export const smtpUrl = z
  .url({ protocol: /^smtps?$/, error: 'must be a smtp:// or smtps:// URL', abort: true })
  .refine((value) => {
    const { hostname, pathname, hash, search } = new URL(value);
    return hostname !== '' && /^\/?$/.test(pathname) && hash === '' && /^(\?tls=optional)?$/.test(search);
  }, 'must be smtp[s]://[user:password@]host[:port], with nothing after it but ?tls=optional')
  .refine((value) => {
    const { username, password } = new URL(value);
    return isPercentEncoded(username) && isPercentEncoded(password);
  }, 'must have a % in the user or password written as %25');

const redisUrl = z
  .url({
    protocol: /^rediss?$/,
    error: 'must be a redis:// or rediss:// URL, or several, separated by commas',
    abort: true,
  })
  .refine((value) => {
    const { hostname, pathname, hash, search } = new URL(value);
    const isHost = /^(?:[\w.-]+|\[[\da-f:.]+\])$/i.test(hostname);
    return isHost && /^(\/\d{0,4})?$/.test(pathname) && hash === '' && search === '';
  }, 'must be redis[s]://[user:password@]host[:port][/database], with nothing after it')
  .refine((value) => {
    const { username, password } = new URL(value);
    return isPercentEncoded(username) && isPercentEncoded(password);
  }, 'must have a % in the user or password written as %25')
  .refine((value) => {
    const { username, password } = new URL(value);
    return username === '' || password !== '';
  }, 'must have a password if it has a user');

/**
 * The URL of one Redis server, or the URLs of nodes of one cluster. Each further URL has the user and the password of
 * the first one, or has neither.
 */
export const redisUrls = z
  .string()
  .transform((value) => value.split(/,(?=\s*rediss?:)/i).map((entry) => entry.trim()))
  .pipe(z.array(redisUrl).max(50))
  .refine(
    (urls) => new Set(urls.map((url) => new URL(url).protocol)).size === 1,
    'must be redis:// for every node, or rediss:// for every node',
  )
  .refine((urls) => {
    const [first, ...others] = urls
      .map((url) => new URL(url))
      .map(({ username, password }) => `${username}:${password}`);
    return others.every((other) => other === first || other === ':');
  }, 'must have the same user and password in every URL, or only in the first')
  .refine(
    (urls) => urls.length === 1 || urls.every((url) => /^(\/0*)?$/.test(new URL(url).pathname)),
    'must not name a database together with several nodes: a cluster has only one database',
  );

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** The sender of mails: an address, with or without a name before it. */
export const mailbox = z
  .string()
  .regex(
    /^(?:[^<>"@,;:\\\p{Cc}]{1,100} <[^\s<>@,;]+@[^\s<>@,;]+>|[^\s<>@,;]+@[^\s<>@,;]+)$/u,
    'must be one address such as no-reply@example.com or Example <no-reply@example.com>',
  )
  .refine((value) => !value.includes(' <') || isVisible(value.split(' <', 1)[0] ?? ''), 'must have a visible name');

/** A duration, written as 900, 900s, 15m, 12h or 30d. The value is in seconds. */
export function duration(low: number, high: number) {
  return z
    .string()
    .regex(/^\d{1,9}[smhd]?$/, 'must be a number of seconds, or a number with s, m, h or d')
    .transform((value) => Number.parseInt(value, 10) * ({ m: 60, h: 3600, d: 86_400 }[value.slice(-1)] ?? 1))
    .refine((value) => value >= low && value <= high, `must be between ${low} and ${high} seconds`);
}
