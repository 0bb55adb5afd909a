// The access token of the verifier's own service client (RFC 6749 §4.4), fetched when it is needed and renewed in time.
import { membersOf } from './answered.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import { exchange, type HttpDeps } from './http.ts';

export interface ClientTokenDeps extends HttpDeps {
  readonly tokenEndpoint: string;
  readonly client: ClientAuthentication;
}

export interface ClientToken {
  /** An access token that does not expire soon. Raises Error if the service issues none. */
  get(): Promise<string>;
  /** Drops the token, because the service refused it. */
  forget(): void;
  /** The organization of the client; null for a client of the installation, and before the first token. */
  organizationId(): string | null;
}

/**
 * The service refused the credentials, or the request rate is too high. A quick retry would only count as one more
 * attempt.
 */
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
// The service limits attempts for each client and network. Wrong credentials must not use up the attempts of correct
// credentials.
const REFUSED_WAIT_SECONDS = 30;
const REFUSED_WAIT_SECONDS_MAX = 300;
// The statuses of a refusal, which comes with an `error` member (RFC 6749 §5.2).
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
    if (!isRefused) throw new Error(message); // the answer is from a proxy, or from a service with a temporary error
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
  // Attempts with good credentials also count. Only the service knows when it allows the next attempt.
  const least = status === 429 && asked > 0 ? asked : Math.max(asked, REFUSED_WAIT_SECONDS);
  return Math.min(least, REFUSED_WAIT_SECONDS_MAX);
}

// The token came from the service itself, so its claims are read without a check of the signature.
function organizationOf(token: string): string | null {
  const { org } = membersOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return typeof org === 'string' ? org : null;
}
