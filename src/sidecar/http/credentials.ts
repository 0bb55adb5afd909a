// Finds the access token of a request, and returns the parts of the request that the upstream gets. The token is not
// verified here.
import { bearerToken } from '../../protocol/bearer.ts';
import { VerificationError } from '../../verifier/core/error.ts';
import type { SidecarSettings } from '../core/contract.ts';
import { Refusal } from '../core/problems.ts';
import { type Head, listOf, only } from './head.ts';
import { takeParameter } from './query.ts';

export type TokenPlace = 'authorization' | 'subprotocol' | 'cookie' | 'query';

export interface Presented {
  readonly token: string | null;
  readonly place: TokenPlace | null;
  /** The target for the upstream: without the query parameter for tokens, unless `forwardToken` is set. */
  readonly target: string;
  /** The subprotocols without the token's entry. */
  readonly protocols: readonly string[];
  /** The entry of Sec-WebSocket-Protocol with the token, as it was sent; null if there is none. */
  readonly bearerEntry: string | null;
  /** The Cookie header for the upstream: without the cookie for tokens, unless `forwardToken` is set. Null for none. */
  readonly cookie: string | null;
}

export type TokenSettings = Pick<SidecarSettings, 'cookie' | 'queryParameter' | 'forwardToken'>;

const BEARER_ENTRY = /^bearer\./i;
const TOKEN_CHARACTERS = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const PROTOCOLS_MAX = 50;

/**
 * Finds the token of a request: in Authorization, in the entry `bearer.<token>` of Sec-WebSocket-Protocol, or in the
 * cookie or the query parameter that the settings name. Raises invalid_request for two different tokens (RFC 6750 §2)
 * or two Authorization headers, and VerificationError `invalid_token` for an Authorization header without a bearer
 * token.
 */
export function takeToken(head: Head, settings: TokenSettings, isUpgrade: boolean): Presented {
  const offered = isUpgrade ? protocolsOf(head) : [];
  const bearers = offered.filter((entry) => BEARER_ENTRY.test(entry));
  const query = settings.queryParameter === null ? null : takeParameter(head.target, settings.queryParameter);
  const cookies = cookiesOf(head, settings.cookie);
  const found: [TokenPlace, string][] = [
    ...authorizationOf(head).map((token): [TokenPlace, string] => ['authorization', token]),
    ...bearers.map((entry): [TokenPlace, string] => ['subprotocol', entry.replace(BEARER_ENTRY, '')]),
    ...cookies.values.map((token): [TokenPlace, string] => ['cookie', token]),
    ...(query?.values ?? []).map((token): [TokenPlace, string] => ['query', token]),
  ];
  if (new Set(found.map(([, token]) => token)).size > 1) throw new Refusal('invalid_request');
  const [place, token] = found[0] ?? [null, null];
  const { forwardToken } = settings;
  return {
    token,
    place,
    target: forwardToken ? head.target : (query?.rest ?? head.target),
    protocols: offered.filter((entry) => !BEARER_ENTRY.test(entry)),
    bearerEntry: bearers[0] ?? null,
    cookie: forwardToken ? cookies.whole : cookies.rest,
  };
}

function authorizationOf(head: Head): string[] {
  const values = head.fields.get('authorization') ?? [];
  if (values.length > 1) throw new Refusal('invalid_request');
  return values.map((value) => {
    const token = bearerToken(value);
    if (token === null) throw new VerificationError('invalid_token');
    return token;
  });
}

function protocolsOf(head: Head): string[] {
  const entries = listOf(head, 'sec-websocket-protocol');
  const good = entries.every((entry) => TOKEN_CHARACTERS.test(entry)) && new Set(entries).size === entries.length;
  const isEmpty = head.fields.has('sec-websocket-protocol') && entries.length === 0;
  if (!good || isEmpty || entries.length > PROTOCOLS_MAX) {
    throw new Refusal('bad_request', {}, 'Sec-WebSocket-Protocol must list subprotocols, each once.');
  }
  return entries;
}

interface Cookies {
  /**
   * The values of the token cookie, without empty ones: after a logout, a browser may still send the cookie without a
   * value.
   */
  readonly values: readonly string[];
  readonly rest: string | null;
  readonly whole: string | null;
}

// RFC 6265 §5.4: the pairs are separated by semicolons, and names have no escapes.
function cookiesOf(head: Head, name: string | null): Cookies {
  const lines = head.fields.get('cookie');
  if (!lines) return { values: [], rest: null, whole: null };
  const whole = lines.join('; ');
  if (name === null) return { values: [], rest: whole, whole };
  const values: string[] = [];
  const kept: string[] = [];
  for (const pair of whole.split(';')) {
    const equals = pair.indexOf('=');
    const key = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (key !== name) kept.push(pair.trim());
    else if (equals >= 0 && pair.slice(equals + 1).trim() !== '') values.push(pair.slice(equals + 1).trim());
  }
  const rest = kept.filter((pair) => pair !== '').join('; ');
  return { values, rest: rest === '' ? null : rest, whole };
}

/**
 * Refuses a request that another site made a browser send. If `allowed` is not empty, an Origin must be in it. Browsers
 * add cookies automatically. So with the token in a cookie, an Origin of another host is refused if `allowed` is empty,
 * and a request without an Origin is refused if it has Sec-Fetch-Site: cross-site. Raises cross_site_request.
 */
export function assertOrigin(head: Head, place: TokenPlace | null, allowed: readonly string[]): void {
  const origin = only(head, 'origin');
  if (origin === undefined) {
    if (place === 'cookie' && only(head, 'sec-fetch-site') === 'cross-site') throw new Refusal('cross_site_request');
    return;
  }
  if (allowed.length > 0 ? allowed.includes(origin) : place !== 'cookie' || isOwn(origin, only(head, 'host'))) return;
  throw new Refusal('cross_site_request');
}

function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: ofOrigin } = new URL(origin);
  if (!/^https?:$/.test(protocol) || !URL.canParse(`${protocol}//${host}`)) return false;
  return new URL(`${protocol}//${host}`).host === ofOrigin; // URL removes a default port from both
}
