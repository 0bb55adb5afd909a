// The headers for the upstream: the client's headers, without hop-by-hop headers and headers that only a proxy may set,
// and the headers that name the caller and their organization. Security depends on this: a client must not be able to
// set a header that names the caller, or one that only a proxy may set.
import { BlockList, isIP } from 'node:net';
import type { Principal } from '../../protocol/caller.ts';
import { identityHeaders, isIdentityHeader } from '../../protocol/identity-headers.ts';
import { isTenantHeader, tenantHeaders } from '../../protocol/tenant-headers.ts';
import { type Head, listOf } from './head.ts';

export interface UpstreamRequest {
  readonly head: Head;
  readonly principal: Principal;
  /** The Cookie header for the upstream; null for none. */
  readonly cookie: string | null;
  /** The token, if the upstream gets it; else null. */
  readonly token: string | null;
  readonly requestId: string;
  readonly peerAddress: string | undefined;
  readonly isTrustedPeer: boolean;
  /** Used if the request has no Host (HTTP/1.0). */
  readonly upstreamHost: string;
}

export type UpstreamHeaders = Record<string, string | string[]>;

// RFC 9110 §7.6.1, and headers that concern the connection by convention.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
// The sidecar sets these headers again for the next hop, or handles them itself.
const OWN = new Set(['host', 'authorization', 'cookie', 'expect', 'x-request-id', 'x-forwarded-for']);
// Headers by which proxies describe the original request, and from which some frameworks take the path.
const OF_PROXIES = /^(?:forwarded|x-forwarded-.+|x-real-ip|x-client-ip|x-original-.+|x-rewrite-url)$/;
const SOCKETS = /^sec-websocket-/;
const SANE_REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * Whether a header of the client is not copied as it is. The name is in lower case, with `-` for any character but a
 * letter or digit.
 */
function isReserved(name: string): boolean {
  const isOfCaller = isIdentityHeader(name) || isTenantHeader(name);
  return HOP_BY_HOP.has(name) || OWN.has(name) || SOCKETS.test(name) || OF_PROXIES.test(name) || isOfCaller;
}

/**
 * The headers for the upstream, without those of the transfer coding and of a WebSocket handshake, which are made anew.
 */
export function upstreamHeaders(request: UpstreamRequest): UpstreamHeaders {
  const { head, isTrustedPeer, cookie, token } = request;
  const listed = new Set(listOf(head, 'connection').map((name) => name.toLowerCase()));
  const headers: UpstreamHeaders = Object.create(null);
  for (const [name, values] of head.fields) {
    // Some receivers (CGI and similar) treat any character of a name but a letter or digit as a hyphen.
    const plain = name.replace(/[^a-z0-9]/g, '-');
    const isBelieved = isTrustedPeer && name === plain && OF_PROXIES.test(name) && !OWN.has(name);
    const isFraming = name !== plain && /^content-(?:length|type|encoding)$/.test(plain);
    if ((isReserved(plain) && !isBelieved) || isFraming) continue;
    // A header that Connection names is not passed on, except Content-Length, which the body needs.
    if (listed.has(name) && name !== 'content-length') continue;
    headers[name] = values.length === 1 ? (values[0] ?? '') : [...values];
  }
  if (cookie !== null) headers.cookie = cookie;
  if (token !== null) headers.authorization = `Bearer ${token}`;
  headers['x-request-id'] = request.requestId;
  const { principal } = request;
  return Object.assign(headers, forwarded(request), identityHeaders(principal), tenantHeaders(principal));
}

function forwarded({ head, isTrustedPeer, peerAddress, upstreamHost }: UpstreamRequest): UpstreamHeaders {
  const host = head.fields.get('host')?.[0] ?? upstreamHost;
  const trusted = (name: string) => (isTrustedPeer ? head.fields.get(name)?.[0] : undefined);
  const chain = [...(head.fields.get('x-forwarded-for') ?? []), plainAddress(peerAddress) ?? 'unknown'];
  return {
    host,
    'x-forwarded-for': chain.filter((entry) => entry.trim() !== '').join(', '),
    'x-forwarded-proto': trusted('x-forwarded-proto') ?? 'http',
    'x-forwarded-host': trusted('x-forwarded-host') ?? host,
  };
}

/** The request id that the client sent if that is well-formed, else a new id. */
export function requestIdOf(head: Head | undefined, make: () => string): string {
  const sent = head?.fields.get('x-request-id');
  return sent?.length === 1 && SANE_REQUEST_ID.test(sent[0] ?? '') ? (sent[0] ?? '') : make();
}

/** The headers of an upstream's answer without hop-by-hop headers, as pairs, with names as they were sent. */
export function endToEnd(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  const listed = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((entry) => entry.trim().toLowerCase()));
  return pairs.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !(listed.includes(lower) && lower !== 'content-length');
  });
}

/**
 * Returns a function that checks whether a peer is trusted. Raises TypeError for anything but an address or a CIDR
 * range.
 */
export function trustedPeers(ranges: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const wide = family === 'ipv6' ? 128 : 32;
    const length = bits === undefined ? wide : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (isIP(address) === 0 || !(length >= 0 && length <= wide)) {
      throw new TypeError(`${range} is neither an IP address nor a CIDR range`);
    }
    list.addSubnet(address, length, family);
  }
  return (peer) => {
    const address = plainAddress(peer);
    return address !== undefined && isIP(address) !== 0 && list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  };
}

/** The address. An IPv4 address that came through an IPv6 socket is written as IPv4. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '');
}
