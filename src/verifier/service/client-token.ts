// The access token of the verifier's own service client (RFC 6749 §4.4): fetched when it is needed, and before it expires.
import { membersOf } from './answered.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import { exchange, type HttpDeps } from './http.ts';

export interface ClientTokenDeps extends HttpDeps {
  readonly tokenEndpoint: string;
  readonly client: ClientAuthentication;
}

export interface ClientToken {
  /** An access token that is good for a while yet. Raises Error. */
  get(): Promise<string>;
  /** Forgets the token that the service did not take. */
  forget(): void;
  /** The organization of the client; null for one of the whole installation, and before anything is known. */
  organizationId(): string | null;
}

/** The service does not take the credentials, or hears too much: asking again soon makes it worse. */
export class CredentialsRefused extends Error {
  override readonly name = 'CredentialsRefused';
  readonly retryAfterSeconds: number;
  constructor(message: string, retryAfterSeconds: number) {
    super(message);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const TIMEOUT_MILLISECONDS = 5000;
const BYTES_MAX = 65_536;
const RENEWED_AHEAD_SECONDS = 60;
const LIFE_SECONDS_DEFAULT = 60;
// Guesses are bounded for each client and network: wrong credentials must not use up what right ones need.
const REFUSED_WAIT_SECONDS = 30;
const REFUSED_WAIT_SECONDS_MAX = 300;
// Those of RFC 6749 §5.2, which say why in `error`.
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403]);

export function createClientToken(deps: ClientTokenDeps): ClientToken {
  let held: { readonly token: string; readonly until: number } | null = null;
  let organization: string | null = null;
  return {
    async get() {
      if (held && deps.timing.elapsed() / 1000 < held.until) return held.token;
      held = await fetchToken(deps);
      organization = organizationOf(held.token);
      return held.token;
    },
    forget() {
      held = null;
    },
    organizationId: () => organization,
  };
}

async function fetchToken(deps: ClientTokenDeps): Promise<{ token: string; until: number }> {
  const begun = deps.timing.elapsed() / 1000;
  const proof = deps.client.prove();
  const { status, text, headers } = await exchange(deps, {
    url: deps.tokenEndpoint,
    method: 'POST',
    headers: { ...proof.headers, 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...proof.parameters }).toString(),
    timeoutMilliseconds: TIMEOUT_MILLISECONDS,
    bytesMax: BYTES_MAX,
  });
  const answer = membersOf(text);
  const { access_token, expires_in, error } = answer;
  if (status !== 200 || typeof access_token !== 'string' || !/^[\x21-\x7e]+$/.test(access_token)) {
    const reason = typeof error === 'string' ? `${status} ${error}` : String(status);
    const message = `${deps.tokenEndpoint} gave no token (${reason})`;
    const isRefused = status === 429 || (REFUSALS.has(status) && typeof error === 'string');
    if (!isRefused) throw new Error(message); // of something between, or of a service that cannot for now
    const wait = waitSeconds(status, headers.get('retry-after'));
    const remedy =
      status === 429
        ? `too many requests or failures from here lately, the next attempt is in ${wait} s`
        : 'check the credentials';
    throw new CredentialsRefused(`${message}: ${remedy}`, wait);
  }
  const life = typeof expires_in === 'number' && expires_in > 0 ? expires_in : LIFE_SECONDS_DEFAULT;
  return { token: access_token, until: begun + Math.max(life - RENEWED_AHEAD_SECONDS, life / 2) };
}

function waitSeconds(status: number, retryAfter: string | null): number {
  const asked = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : 0;
  // An allowance is used by good credentials as well: when it is there again, only the service knows.
  const least = status === 429 && asked > 0 ? asked : Math.max(asked, REFUSED_WAIT_SECONDS);
  return Math.min(least, REFUSED_WAIT_SECONDS_MAX);
}

// The token is the service's own and comes from it: what stands in it needs no proof.
function organizationOf(token: string): string | null {
  const { org } = membersOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return typeof org === 'string' ? org : null;
}
