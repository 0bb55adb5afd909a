// What every page of an installation shares, and the view of one request: its language, its texts and its nonces.
import type { Config } from '../config/config.ts';
import type { Random } from '../platform/random.ts';
import { type Assets, readAssets } from './assets.ts';
import { type Branding, type BrandSettings, readBranding } from './branding.ts';
import { isBrowserKey, nonceFor, openToken, sealToken } from './browser-key.ts';
import type { Catalogue } from './catalogues/catalogue.ts';
import { type PageCookies, pageCookies } from './cookies.ts';
import { CATALOGUES, type Language, languageOf, preferredLanguage } from './language.ts';

export interface Kit {
  readonly branding: Branding;
  readonly assets: Assets;
  readonly cookies: PageCookies;
  /** The origin of the service, from which its forms are sent. */
  readonly origin: string;
  readonly defaultLanguage: Language;
  readonly random: Random;
}

export type KitSettings = BrandSettings & Pick<Config, 'PUBLIC_URL' | 'DEFAULT_LOCALE'>;

/** Reads the files of the kit. Raises BrandRefused. */
export function openKit(settings: KitSettings, random: Random): Kit {
  const branding = readBranding(settings);
  return {
    branding,
    assets: readAssets(branding),
    cookies: pageCookies(settings.PUBLIC_URL),
    origin: new URL(settings.PUBLIC_URL).origin,
    defaultLanguage: settings.DEFAULT_LOCALE,
    random,
  };
}

/** What a page may know of the request that it answers. */
export interface View {
  readonly kit: Kit;
  readonly language: Language;
  readonly text: Catalogue;
  /** The path and the query of the request. */
  readonly target: string;
  readonly isSignedIn: boolean;
  /** The nonce of a form for this browser. The purpose of a form is the path to which it is sent. */
  nonce(purpose: string): string;
  /** Lets this browser keep the token of a link for half an hour. The token replaces one that was kept before. */
  keepToken(purpose: string, token: string): void;
  /** The token that this browser keeps for the purpose, which is the path of a page. Null if it keeps none. */
  keptToken(purpose: string): string | null;
  /** Removes the token that this browser keeps. */
  forgetToken(): void;
}

/** The part of a request from which its view is made. */
export interface Visit {
  readonly target: string;
  readonly acceptLanguage: string | undefined;
  readonly cookie: (name: string) => string | undefined;
  /** The session of the caller, or null. */
  readonly sessionId: string | null;
}

const YEAR_SECONDS = 365 * 86_400;
/**
 * How long a browser keeps the token of a link. In this time, a person can sign in or register, and then return to the
 * page of the link.
 */
const KEPT_SECONDS = 1800;

/** A view, and the cookies that its answer sets. */
export interface OpenedView {
  readonly view: View;
  /**
   * The values of Set-Cookie headers. Call this after the page has been made, because only then is it known whether the
   * browser needs a key.
   */
  cookies(): readonly string[];
}

/** Returns the view of a request. */
export function openView(kit: Kit, { target, acceptLanguage, cookie, sessionId }: Visit): OpenedView {
  const chosen = languageOf(new URLSearchParams(target.split('?')[1] ?? '').get('lang') ?? undefined);
  const kept = languageOf(cookie(kit.cookies.name('language')));
  const language = chosen ?? kept ?? preferredLanguage(acceptLanguage) ?? kit.defaultLanguage;
  const sent = cookie(kit.cookies.name('browser'));
  const isKnown = isBrowserKey(sent);
  let key = isKnown ? sent : null;
  const ownKey = () => {
    key ??= kit.random.bytes(32).toString('base64url');
    return key;
  };
  const link = cookie(kit.cookies.name('link'));
  let linkCookie: string | null = null;
  const view: View = {
    kit,
    language,
    text: CATALOGUES[language],
    target,
    isSignedIn: sessionId !== null,
    nonce: (purpose) => nonceFor(ownKey(), purpose, sessionId),
    keepToken(purpose, token) {
      linkCookie = kit.cookies.set('link', sealToken(ownKey(), purpose, token, kit.random), KEPT_SECONDS);
    },
    keptToken: (purpose) => (key === null || link === undefined ? null : openToken(key, purpose, link)),
    forgetToken() {
      if (link !== undefined) linkCookie = kit.cookies.clear('link');
    },
  };
  return {
    view,
    cookies: () => [
      ...(chosen && chosen !== kept ? [kit.cookies.set('language', chosen, YEAR_SECONDS)] : []),
      ...(key !== null && !isKnown ? [kit.cookies.set('browser', key, YEAR_SECONDS)] : []),
      ...(linkCookie === null ? [] : [linkCookie]),
    ],
  };
}
