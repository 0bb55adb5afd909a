// The refresh token in a cookie: its name and attributes (RFC 6265bis §4.1), and from where it is honoured.
import { problem } from '../errors.ts';
import type { Client } from '../http/endpoint.ts';

export interface CookieSettings {
  readonly name: string;
  readonly secure: boolean;
  /** The service's own origin and the allow-list. */
  readonly origins: ReadonlySet<string>;
}

const LOCAL = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Browsers take a Secure cookie over https only; the one exception is development on the own machine. */
export function cookieSettings(publicUrl: string, corsOrigins: readonly string[]): CookieSettings {
  const url = new URL(publicUrl);
  const insecure = url.protocol === 'http:' && LOCAL.has(url.hostname);
  return {
    name: insecure ? 'tenantry_refresh' : '__Host-tenantry_refresh',
    secure: !insecure,
    origins: new Set([url.origin, ...corsOrigins]),
  };
}

/** The value of a Set-Cookie header that lives as long as the refresh token. */
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
export function cookieToken(settings: CookieSettings, client: Client): string | null {
  const token = client.cookie(settings.name);
  if (!token) return null;
  assertSameSite(settings, client);
  return token;
}

/** Raises cross_site_request for a request that a browser says comes from a page that is not on the list. */
export function assertSameSite(settings: CookieSettings, client: Client): void {
  const foreign = client.origin !== undefined && !settings.origins.has(client.origin);
  if (foreign || client.fetchSite === 'cross-site') throw problem('cross_site_request');
}
