// Introspects single tokens (RFC 7662) while the feed is silent: each token at most once a second, a limited number at
// a time, and no new request for a moment after the service has given no usable answer.

import { VerificationError } from '../core/error.ts';
import { membersOf } from './answered.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import { exchange, type HttpDeps } from './http.ts';

export interface IntrospectionDeps extends HttpDeps {
  readonly introspectionEndpoint: string;
  readonly client: ClientAuthentication;
  readonly onError: (error: Error) => void;
}

const TIMEOUT_MILLISECONDS = 2000;
const BYTES_MAX = 65_536;
const REMEMBERED_MILLISECONDS = 1000;
const REMEMBERED_MAX = 10_000;
const UNDER_WAY_MAX = 64;
const REST_MILLISECONDS = 1000;

interface Asked {
  readonly at: number;
  readonly isActive: Promise<boolean>;
}

/**
 * Returns a function that resolves for an active token. The function raises `token_stale` for any other token, and
 * `revocations_stale` if there is no usable answer.
 */
export function createIntrospection(deps: IntrospectionDeps): (token: string) => Promise<void> {
  const asked = new Map<string, Asked>();
  let underWay = 0;
  let restUntil = Number.NEGATIVE_INFINITY;

  async function ask(token: string): Promise<boolean> {
    underWay += 1;
    try {
      return await introspect(deps, token);
    } catch (error) {
      restUntil = deps.timing.elapsed() + REST_MILLISECONDS;
      deps.onError(error as Error);
      throw new VerificationError('revocations_stale', { cause: error });
    } finally {
      underWay -= 1;
    }
  }

  function answerFor(token: string): Promise<boolean> {
    const now = deps.timing.elapsed();
    const last = asked.get(token);
    if (last && now - last.at < REMEMBERED_MILLISECONDS) return last.isActive;
    if (now < restUntil || underWay >= UNDER_WAY_MAX) throw new VerificationError('revocations_stale');
    const isActive = ask(token);
    asked.delete(token); // so that the entry is the newest of the Map
    asked.set(token, { at: now, isActive });
    // Whole tokens are kept here, so each new request removes the tokens whose answers are no longer used.
    for (const [oldest, { at }] of asked) {
      if (now - at < REMEMBERED_MILLISECONDS && asked.size <= REMEMBERED_MAX) break;
      asked.delete(oldest);
    }
    return isActive;
  }

  return async (token) => {
    // Signature and times are good, so an inactive token has been revoked. A refresh reports the reason.
    if (!(await answerFor(token))) throw new VerificationError('token_stale');
  };
}

async function introspect(deps: IntrospectionDeps, token: string): Promise<boolean> {
  const proof = deps.client.prove();
  const { status, text } = await exchange(deps, {
    url: deps.introspectionEndpoint,
    method: 'POST',
    headers: { ...proof.headers, 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({ token, token_type_hint: 'access_token', ...proof.parameters }).toString(),
    timeoutMilliseconds: TIMEOUT_MILLISECONDS,
    bytesMax: BYTES_MAX,
  });
  const answer = status === 200 ? membersOf(text) : {};
  const { active } = answer;
  if (typeof active !== 'boolean' || (active && !isAbout(answer, token))) {
    throw new Error(`${deps.introspectionEndpoint} answered ${status} without a verdict on this token`);
  }
  return active;
}

/** Whether the answer is about this token: a proxy in between may mix up answers. */
function isAbout(answer: Readonly<Record<string, unknown>>, token: string): boolean {
  const claims = membersOf(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const isSame = ['jti', 'sub', 'iss', 'aud'].every(
    (name) => answer[name] === undefined || answer[name] === claims[name],
  );
  return isSame && answer.token_type !== 'refresh_token';
}
