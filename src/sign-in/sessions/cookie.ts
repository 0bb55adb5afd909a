// The transport of refresh tokens: in the body or in a cookie. Owns the cookie's name and attributes (RFC 6265bis §4.1)
// and the check of the origins that may use it.
import { problem } from '../../base/errors/problem.ts';
import type { Answer, RequestInfo } from '../../base/http/endpoint.ts';
import type { SignedIn } from './open-session.ts';
import type { Refresh } from './refresh.ts';

export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
  /** The service's own origin and the allow-list. */
  readonly origins: ReadonlySet<string>;
}

const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Browsers accept a Secure cookie only over https. So the cookie is insecure for http on the developer's machine. */
export function cookieSettings(publicUrl: string, corsOrigins: readonly string[]): CookieSettings {
  const url = new URL(publicUrl);
  const insecure = url.protocol === 'http:' && LOCAL.has(url.hostname);
  return {
    name: insecure ? 'tenantry_refresh' : '__Host-tenantry_refresh',
    secure: !insecure,
    origins: new Set([url.origin, ...corsOrigins]),
  };
}

/** The value of a Set-Cookie header for a cookie that expires together with the refresh token. */
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

/** The refresh token of the cookie, null without one. Raises cross_site_request when a foreign page sent it. */
export function cookieToken(settings: CookieSettings, request: RequestInfo): string | null {
  const token = request.cookie(settings.name);
  if (!token) return null;
  assertSameSite(settings, request);
  return token;
}

/** Raises cross_site_request when the browser's headers say that a page outside the allowed origins sent the request. */
export function assertSameSite(settings: CookieSettings, request: RequestInfo): void {
  const foreign = request.origin !== undefined && !settings.origins.has(request.origin);
  if (foreign || request.fetchSite === 'cross-site') throw problem('cross_site_request');
}

/** Moves the refresh token from the answer into the cookie if the request chose the cookie transport. */
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

/** The token of the body, or else of the cookie, with the transport that the next token uses. */
export function presentedToken(
  deps: { readonly cookie: CookieSettings },
  request: RequestInfo,
  inBody: string | undefined,
) {
  if (inBody !== undefined) return { token: inBody, transport: 'body' as const };
  const inCookie = cookieToken(deps.cookie, request);
  return inCookie === null ? null : { token: inCookie, transport: 'cookie' as const };
}

export function deviceOf(request: RequestInfo) {
  return { userAgent: request.userAgent, ip: request.ip };
}

export function limitRefresh(request: RequestInfo): Refresh['limitRefresh'] {
  return (sessionId) => request.draw('session', sessionId);
}
