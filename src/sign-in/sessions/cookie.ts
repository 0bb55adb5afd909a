// How refresh tokens are sent: in the body or in a cookie. This file defines the name and the attributes of the cookie
// (RFC 6265bis §4.1), and checks the origins that may use it.
import { Problem, problem } from '../../base/errors/problem.ts';
import type { Answer, RequestInfo } from '../../base/http/endpoint.ts';
import { wideNetworkOf } from '../../base/http/rate-limit.ts';
import { isLocalHost } from '../../base/platform/local-host.ts';
import type { Device, SignedIn } from './open-session.ts';
import type { Refresh } from './refresh.ts';

export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
  /** The service's own origin and the allowed origins of the configuration. */
  readonly origins: ReadonlySet<string>;
}

/**
 * Returns the settings of the cookie. Browsers accept a Secure cookie and the prefix __Host- only over https. So the
 * cookie has neither when a developer uses http on their own machine.
 */
export function cookieSettings(publicUrl: string, corsOrigins: readonly string[]): CookieSettings {
  const url = new URL(publicUrl);
  const insecure = url.protocol === 'http:' && isLocalHost(url.hostname);
  return {
    name: insecure ? 'tenantry_refresh' : '__Host-tenantry_refresh',
    secure: !insecure,
    origins: new Set([url.origin, ...corsOrigins]),
  };
}

/** The value of a Set-Cookie header that sets the cookie. The cookie expires together with the refresh token. */
export function setCookie(settings: CookieSettings, token: string, expiresAt: string): string {
  return serialize(settings, token, `Expires=${new Date(expiresAt).toUTCString()}`);
}

/** The value of a Set-Cookie header that removes the cookie. */
export function clearCookie(settings: CookieSettings): string {
  return serialize(settings, '', 'Max-Age=0');
}

function serialize(settings: CookieSettings, value: string, life: string): string {
  const secure = settings.secure ? '; Secure' : '';
  return `${settings.name}=${value}; Path=/; ${life}; HttpOnly${secure}; SameSite=Strict`;
}

/**
 * The refresh token in the cookie, or null without a cookie. Raises cross_site_request when a page of a foreign origin
 * sent the request.
 */
export function cookieToken(settings: CookieSettings, request: RequestInfo): string | null {
  const token = request.cookie(settings.name);
  if (!token) return null;
  assertSameSite(settings, request);
  return token;
}

/** Raises cross_site_request when the browser's headers say that a page of a foreign origin sent the request. */
export function assertSameSite(settings: CookieSettings, request: RequestInfo): void {
  const foreign = request.origin !== undefined && !settings.origins.has(request.origin);
  if (foreign || request.fetchSite === 'cross-site') throw problem('cross_site_request');
}

/** Moves the refresh token from the answer into the cookie if the request uses the cookie transport. */
export function deliver<A extends SignedIn>(
  deps: { readonly cookie: CookieSettings },
  answer: Answer,
  signed: A,
  transport: 'body' | 'cookie',
) {
  if (transport === 'body' || signed.refreshToken === undefined) return { data: signed };
  answer.header('set-cookie', setCookie(deps.cookie, signed.refreshToken, signed.refreshExpiresAt));
  return { data: { ...signed, refreshToken: undefined } };
}

/**
 * The token in the body, or else in the cookie, with the transport for the next token; null if there is neither. Raises
 * cross_site_request as `cookieToken` does.
 */
export function presentedToken(
  deps: { readonly cookie: CookieSettings },
  request: RequestInfo,
  inBody: string | undefined,
) {
  if (inBody !== undefined) return { token: inBody, transport: 'body' as const };
  const inCookie = cookieToken(deps.cookie, request);
  return inCookie === null ? null : { token: inCookie, transport: 'cookie' as const };
}

export function deviceOf(request: RequestInfo): Omit<Device, 'browserKey'> {
  return { userAgent: request.userAgent, ip: request.ip, network: wideNetworkOf(request.ip) };
}

/**
 * A refresh that an organization refuses counts for that organization alone. Otherwise an organization that suspends a
 * member could keep the member's session from refreshing for another organization.
 */
export function limitRefresh(request: RequestInfo): Refresh['limitRefresh'] {
  return (sessionId, organization, work) =>
    request.limitSession({ key: sessionId, part: organization.join(' '), isApart: isRefusedByOrganization, work });
}

function isRefusedByOrganization(error: unknown): boolean {
  return error instanceof Problem && error.code === 'organization_access_denied';
}
