// The cookies of pages (RFC 6265bis §4.1). Each belongs to this host alone, and no script can read it. `browser` binds
// the forms to a browser, `session` is the session of a signed-in browser, `language` is the language that was chosen,
// and `link` is the sealed token of a link from a mail.
import { isLocalHost } from '../platform/local-host.ts';

export type CookieKind = 'browser' | 'session' | 'language' | 'link';

export interface PageCookies {
  name(kind: CookieKind): string;
  /** The value of a Set-Cookie header. `seconds` is the lifetime of the cookie. */
  set(kind: CookieKind, value: string, seconds: number): string;
  /** The value of a Set-Cookie header that removes the cookie. */
  clear(kind: CookieKind): string;
}

/**
 * Returns the cookies of the pages at this URL. Browsers accept the prefix __Host- and the attribute Secure only over
 * https. So both are absent when a developer uses http on their own machine.
 */
export function pageCookies(publicUrl: string): PageCookies {
  const { protocol, hostname } = new URL(publicUrl);
  const isSecure = protocol === 'https:' || !isLocalHost(hostname);
  const name = (kind: CookieKind) => `${isSecure ? '__Host-' : ''}tenantry_${kind}`;
  const write = (kind: CookieKind, value: string, seconds: number) =>
    `${name(kind)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly${isSecure ? '; Secure' : ''}; SameSite=Lax`;
  return { name, set: write, clear: (kind) => write(kind, '', 0) };
}
