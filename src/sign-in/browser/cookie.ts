// Signs a browser in and out: the cookie of its session for pages, and, where an application of the same site may use
// it, the cookie with the refresh token of the same session.
import type { Answer, RequestInfo } from '../../base/http/endpoint.ts';
import { type Redirect, seeOther } from '../../base/http/page.ts';
import type { SeenKeys } from '../../base/http/page-admission.ts';
import type { Kit } from '../../base/page-kit/kit.ts';
import type { Random } from '../../base/platform/random.ts';
import { issueRefreshToken } from '../../credentials/tokens/refresh.ts';
import type { Caller } from '../../protocol/caller.ts';
import { type CookieSettings, clearCookie, deviceOf, setCookie } from '../sessions/cookie.ts';
import { type EndSessionDeps, logout } from '../sessions/end-session.ts';
import { type Device, type Opened, refreshPlaceOf } from '../sessions/open-session.ts';
import { newBrowserKey } from './key.ts';
import type { ReturnTo } from './return-to.ts';

export interface BrowserDeps extends EndSessionDeps {
  readonly kit: Kit;
  readonly random: Random;
  readonly cookie: CookieSettings;
  /** Whether an application of the same site may use the refresh token in its cookie. */
  readonly sharesRefresh: boolean;
  readonly sessionMaxAgeSeconds: number;
  readonly returnTo: ReturnTo;
  readonly seenKeys: Pick<SeenKeys, 'add'>;
}

/** The page of a person who is signed in. */
export const HOME = '/account';
export const SIGN_IN = '/sign-in';

export interface SigningIn {
  /** Who was signed in before in this browser. */
  readonly caller: Caller | null;
  readonly request: RequestInfo;
  readonly answer: Answer;
  readonly returnTo: string | undefined;
}

/**
 * Opens a session by `open` for a new key, and gives the key to the browser. A session that the browser had before
 * ends. Returns where the person continues.
 */
export async function signInBrowser(
  deps: BrowserDeps,
  { caller, request, answer, returnTo }: SigningIn,
  open: (device: Device) => Promise<Pick<Opened, 'pending'>>,
): Promise<Redirect> {
  const { key, hash } = newBrowserKey(deps.random);
  const { pending } = await open({ ...deviceOf(request), browserKey: hash });
  const refreshPlace = refreshPlaceOf(pending);
  deps.seenKeys.add(key);
  if (caller) await logout(deps, { ...caller, isCurrent: true }, null);
  answer.header('set-cookie', deps.kit.cookies.set('session', key, deps.sessionMaxAgeSeconds));
  if (deps.sharesRefresh) {
    const refreshToken = await issueRefreshToken(deps, refreshPlace);
    answer.header('set-cookie', setCookie(deps.cookie, refreshToken, refreshPlace.expiresAt.toISOString()));
  }
  return seeOther(deps.returnTo(returnTo)?.href ?? HOME);
}

/** Ends the session of the browser, and the session of the refresh token in its cookie, and removes both cookies. */
export async function signOutBrowser(
  deps: BrowserDeps,
  { caller, request, answer }: { readonly caller: Caller; readonly request: RequestInfo; readonly answer: Answer },
): Promise<Redirect> {
  await logout(deps, { ...caller, isCurrent: true }, request.cookie(deps.cookie.name) ?? null);
  answer.header('set-cookie', deps.kit.cookies.clear('session'));
  answer.header('set-cookie', clearCookie(deps.cookie));
  return seeOther(`${SIGN_IN}?notice=signed-out`);
}
