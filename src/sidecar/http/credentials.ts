// Where a request carries its access token, and what of the request is left when that is taken out. Whether the token is
// good is the verifier's matter.
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
  /** The target without the query parameter of tokens, if there is one. */
  readonly target: string;
  /** The subprotocols but for the token's. */
  readonly protocols: readonly string[];
  /** The entry of Sec-WebSocket-Protocol with the token, as it was sent; null for none. */
  readonly bearerEntry: string | null;
  /** What is left of Cookie; null for nothing. */
  readonly cookie: string | null;
}

export type TokenSettings = Pick<SidecarSettings, 'cookie' | 'queryParameter' | 'forwardToken'>;

const BEARER_ENTRY = /^bearer\./i;
const TOKEN_CHARACTERS = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110 §5.6.2
const PROTOCOLS_MAX = 50;

/**
 * Finds the token of a request: in Authorization, in the entry `bearer.<token>` of Sec-WebSocket-Protocol, in the cookie
 * or the query parameter of the settings. Raises invalid_request for two that differ (RFC 6750 §2), VerificationError
 * `invalid_token` for an Authorization that holds none.
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
  /** The values of the cookie that holds tokens. A browser that signed out may go on sending it without a value. */
  readonly values: readonly string[];
  readonly rest: string | null;
  readonly whole: string | null;
}

// RFC 6265 §5.4: pairs between semicolons; names know no escapes.
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
 * Refuses what another site made a browser send (W1): an Origin that is not on the list; with the token in a cookie, which
 * browsers send by themselves, one of another host, and a request that says it comes from another site. Raises
 * cross_site_request.
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
  return new URL(`${protocol}//${host}`).host === ofOrigin; // a default port is left out of both
}
