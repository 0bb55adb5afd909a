// Where people go after they have signed in by a page: to the application that sent them, if the operator has named it.

/** A function that returns the URL to continue at, or null for a URL that is not allowed, which is ignored. */
export type ReturnTo = (asked: string | undefined) => URL | null;

/** Returns the function that checks a URL. `origins` are the exact origins of applications. */
export function returnTo(origins: readonly string[]): ReturnTo {
  const allowed = new Set(origins.map((origin) => new URL(origin).origin));
  return (asked) => {
    // Programs differ in how they read blanks and backslashes.
    if (asked === undefined || /[\s\\]/.test(asked) || !URL.canParse(asked)) return null;
    const url = new URL(asked);
    // A blob: URL has the origin of its maker. Names and passwords in a URL make it look as if it led elsewhere.
    if (!/^https?:$/.test(url.protocol)) return null;
    return allowed.has(url.origin) && url.username === '' && url.password === '' ? url : null;
  };
}

/**
 * Whether one of the origins may be of the same site as the service, so that its requests carry the service's cookies.
 * Sites are compared by the last two labels of their names. A country’s suffix can make that too generous. Then a
 * cookie is set that no application gets.
 */
export function hasSameSite(publicUrl: string, origins: readonly string[]): boolean {
  const own = new URL(publicUrl);
  const siteOf = (host: string) => (/^[\d.]+$|^\[/.test(host) ? host : host.split('.').slice(-2).join('.'));
  return origins.some((origin) => {
    const url = new URL(origin);
    return url.protocol === own.protocol && siteOf(url.hostname) === siteOf(own.hostname);
  });
}
