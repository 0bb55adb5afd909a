// The options of a verifier, their defaults and their limits.
import type { KeyObject } from 'node:crypto';
import type { KeySource, RevocationSource } from './contract.ts';

/** How the verifier authenticates to the service: with a service client's secret or private key (RFC 7523). */
export type ClientCredentials =
  | { readonly clientId: string; readonly clientSecret: string }
  | {
      readonly clientId: string;
      /** An RSA, EC or Ed25519 key, as a KeyObject, a PEM (PKCS#8) or a JWK. */
      readonly privateKey: KeyObject | string | Readonly<Record<string, unknown>>;
      /** RS256, PS256, ES256, ES384, ES512 or EdDSA. Default: by the kind of key. */
      readonly alg?: string;
      /** The `kid` in the assertion's header, for clients with several keys. */
      readonly keyId?: string;
    };

/** What happens to a good token while the known revocations are out of date. */
export type OnStale = 'reject' | 'allow' | 'introspect';

export interface RevocationOptions {
  readonly credentials: ClientCredentials;
  /** Default: `/api/v1/revocations` of the service. */
  readonly feed?: string | URL;
  /** Default: `/oauth/token` of the service. */
  readonly tokenEndpoint?: string | URL;
  /** Default: `/oauth/introspect` of the service. */
  readonly introspectionEndpoint?: string | URL;
  /** How many seconds the feed may be silent before `onStale` decides. 1 to 3600, default 30. */
  readonly maxStaleness?: number;
  /** Default: `introspect`. */
  readonly onStale?: OnStale;
}

/** `fetch`, or something that behaves like it. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface VerifierOptions {
  /** The service's PUBLIC_URL, exactly as in `iss`. */
  readonly issuer: string;
  /** Accepted values of `aud`. */
  readonly audience: string | readonly string[];
  /** The address of the service, if it is not the issuer's address. */
  readonly serviceUrl?: string | URL;
  /** Default: `/.well-known/jwks.json` of the service. */
  readonly jwksUri?: string | URL;
  /**
   * The feed of revocations. Without this option (or with false) and without `revocations`, a token is good until it
   * expires or its key is no longer published.
   */
  readonly revocation?: RevocationOptions | false;
  /** Default: `/api/v1/authz/check` of the service. */
  readonly checkEndpoint?: string | URL;
  /** How far clocks may differ, in seconds: 0 to 60, default 5. */
  readonly clockTolerance?: number;
  /** How many verified tokens are remembered: 0 to 1,000,000, default 10,000. */
  readonly cacheSize?: number;
  /** The longest accepted life of a token, in seconds: 1 to 86,400, default 900. */
  readonly maxTokenLife?: number;
  readonly fetch?: Fetch;
  /** The time by which tokens are judged, in milliseconds since 1970. */
  readonly clock?: { now(): number };
  /** Keys from a source other than a JWKS. */
  readonly keys?: KeySource;
  /**
   * Revocations from a source other than the feed, with `maxStaleness` and `onStale` (`reject` or `allow`) in `stale`.
   */
  readonly revocations?: RevocationSource;
  readonly stale?: { readonly maxStaleness?: number; readonly onStale?: 'reject' | 'allow' };
  /**
   * Called with errors in the background, such as a JWKS or a feed that cannot be read. The verifier's own errors
   * contain no secret.
   */
  readonly onError?: (error: Error) => void;
}

/** The options with their defaults. */
export interface Settings {
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly jwksUri: string;
  readonly checkEndpoint: string;
  readonly toleranceSeconds: number;
  readonly lifeSecondsMax: number;
  readonly cacheSize: number;
  readonly fetch: Fetch;
  readonly onError: (error: Error) => void;
}

/** Checks the options and fills in the defaults. Raises TypeError with the name of the wrong option. */
export function settingsOf(options: VerifierOptions): Settings {
  if (typeof options !== 'object' || options === null) throw new TypeError('createVerifier needs an object of options');
  const { issuer, audience } = options;
  if (typeof issuer !== 'string') throw new TypeError('issuer must be the URL that tokens have as iss');
  const base = serviceAddress(options);
  const audiences = typeof audience === 'string' ? [audience] : [...(audience ?? [])];
  if (audiences.length === 0 || audiences.some((entry) => typeof entry !== 'string' || entry === '')) {
    throw new TypeError('audience must be a text, or a list of texts, of at least one character');
  }
  return {
    issuer,
    audiences,
    jwksUri: address('jwksUri', options.jwksUri ?? `${base}/.well-known/jwks.json`),
    checkEndpoint: address('checkEndpoint', options.checkEndpoint ?? `${base}/api/v1/authz/check`),
    toleranceSeconds: within('clockTolerance', options.clockTolerance ?? 5, 0, 60),
    lifeSecondsMax: within('maxTokenLife', options.maxTokenLife ?? 900, 1, 86_400),
    cacheSize: within('cacheSize', options.cacheSize ?? 10_000, 0, 1_000_000),
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    onError: quiet(options.onError),
  };
}

/** The settings of the feed and of introspection. */
export interface FeedSettings {
  readonly feed: string;
  readonly tokenEndpoint: string;
  readonly introspectionEndpoint: string;
  readonly credentials: ClientCredentials;
}

/** Checks the options of the feed, and fills in the defaults. Raises TypeError for a wrong option. */
export function feedSettingsOf(options: VerifierOptions, revocation: RevocationOptions): FeedSettings {
  const base = serviceAddress(options);
  if (typeof revocation !== 'object' || revocation === null) {
    throw new TypeError('revocation must be an object of options, or false');
  }
  const { credentials } = revocation;
  if (typeof credentials !== 'object' || credentials === null || typeof credentials.clientId !== 'string') {
    throw new TypeError('revocation.credentials must hold clientId with clientSecret or privateKey');
  }
  return {
    feed: address('revocation.feed', revocation.feed ?? `${base}/api/v1/revocations`),
    tokenEndpoint: address('revocation.tokenEndpoint', revocation.tokenEndpoint ?? `${base}/oauth/token`),
    introspectionEndpoint: address(
      'revocation.introspectionEndpoint',
      revocation.introspectionEndpoint ?? `${base}/oauth/introspect`,
    ),
    credentials,
  };
}

/** Returns the limit on staleness, and the policy beyond that limit. Raises TypeError for a wrong option. */
export function stalenessOf(options: { readonly maxStaleness?: number; readonly onStale?: OnStale }): {
  secondsMax: number;
  onStale: OnStale;
} {
  const onStale = options.onStale ?? 'introspect';
  if (!['reject', 'allow', 'introspect'].includes(onStale)) {
    throw new TypeError('onStale must be reject, allow or introspect');
  }
  return { secondsMax: within('maxStaleness', options.maxStaleness ?? 30, 1, 3600), onStale };
}

function serviceAddress({ issuer, serviceUrl }: VerifierOptions): string {
  const name = serviceUrl === undefined ? 'issuer' : 'serviceUrl';
  const base = address(name, serviceUrl ?? issuer);
  if (base.includes('?')) throw new TypeError(`${name} must be a URL without a query`);
  return base.replace(/\/$/, '');
}

// Credentials in a URL end up in logs, and a fragment is never sent.
function address(name: string, value: string | URL): string {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    throw new TypeError(`${name} must be an absolute http or https URL`);
  }
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.hash) {
    throw new TypeError(`${name} must be an http or https URL without credentials or a fragment`);
  }
  return url.href;
}

function within(name: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw new TypeError(`${name} must be a number from ${least} to ${most}`);
}

// A hook that throws must not end the feed.
function quiet(hook: ((error: Error) => void) | undefined): (error: Error) => void {
  return (error) => {
    try {
      hook?.(error);
    } catch {}
  };
}
