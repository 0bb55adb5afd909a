// The issuer's keys from its JWKS. The keys are fetched before they are out of date, kept through an outage, and
// fetched again when a token has an unknown kid. Unknown kids cause a fetch every 30 s at most, and one more after a
// key has been revoked.
import type { KeyObject } from 'node:crypto';
import type { KeySource } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';
import { exchange, type HttpDeps } from '../service/http.ts';
import { freshSeconds, type PublicKeys, readJwks } from './jwks-document.ts';

export const COOLDOWN_SECONDS = 30;
/** How long known keys are still used while they cannot be fetched again. */
export const KEPT_SECONDS_MAX = 86_400;
const TIMEOUT_MILLISECONDS = 5000;
const BYTES_MAX = 262_144;
// The waits in seconds between the first attempts. Until the first keys are known, a token causes no fetch.
const START_WAITS = [1, 2, 4, 8, 15];

export interface JwksDeps extends HttpDeps {
  readonly jwksUri: string;
  readonly onError: (error: Error) => void;
}

interface State {
  keys: PublicKeys;
  etag: string | null;
  /** In seconds of the clock that never steps; -Infinity for never. */
  confirmedAt: number;
  freshUntil: number;
  askedAt: number;
  failures: number;
  isClosed: boolean;
}

/** Begins to fetch the keys at once and keeps them up to date until `close` is called. */
export function createJwks(
  deps: JwksDeps,
): KeySource & Required<Pick<KeySource, 'lookUp' | 'expectNew' | 'ready' | 'close'>> {
  const state: State = {
    keys: new Map(),
    etag: null,
    confirmedAt: Number.NEGATIVE_INFINITY,
    freshUntil: Number.NEGATIVE_INFINITY,
    askedAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    isClosed: false,
  };
  const seconds = () => deps.timing.elapsed() / 1000;
  let underWay: Promise<void> | null = null;
  let callOff = () => {};
  let known = () => {};
  const first = new Promise<void>((resolve) => {
    known = resolve;
  });

  function ask(): Promise<void> {
    state.askedAt = seconds();
    underWay ??= fetchInto(deps, state, seconds)
      .then(() => {
        state.failures = 0;
        known();
      })
      .catch((error: Error) => {
        state.failures += 1;
        deps.onError(error);
      })
      .finally(() => {
        underWay = null;
        if (!state.isClosed) plan();
      });
    return underWay;
  }

  function plan(): void {
    callOff();
    callOff = deps.timing.after(waitSeconds(state, seconds()) * 1000, () => void ask());
  }

  const isBelieved = () => seconds() - state.confirmedAt <= KEPT_SECONDS_MAX;
  const isCool = () => seconds() - state.askedAt >= COOLDOWN_SECONDS;

  async function lookUp(kid: string): Promise<KeyObject | undefined> {
    if (underWay) await underWay;
    else if (!state.isClosed && isCool() && state.keys.size > 0) await ask();
    const key = isBelieved() ? state.keys.get(kid) : undefined;
    if (key) return key;
    // After a failed fetch, the kid may belong to a new key that could not be fetched, so the token may be good.
    if (state.failures > 0 || !isBelieved()) {
      const retryAfterSeconds = state.askedAt + waitSeconds(state, seconds()) - seconds();
      throw new VerificationError('keys_unavailable', { retryAfterSeconds });
    }
    return undefined;
  }

  void ask();
  return {
    find: (kid) => (isBelieved() ? state.keys.get(kid) : undefined),
    lookUp,
    expectNew() {
      state.askedAt = Number.NEGATIVE_INFINITY;
    },
    ready: () => first,
    close() {
      state.isClosed = true;
      callOff();
    },
  };
}

// The keys are fetched before they are out of date, so that few verifications wait for a fetch. Once keys are known,
// the next attempt after a failure is planned 30 s later.
function waitSeconds(state: State, now: number): number {
  if (state.keys.size === 0) return START_WAITS[state.failures - 1] ?? COOLDOWN_SECONDS;
  if (state.failures > 0) return COOLDOWN_SECONDS;
  return Math.max((state.freshUntil - now) * 0.9, COOLDOWN_SECONDS);
}

async function fetchInto(deps: JwksDeps, state: State, seconds: () => number): Promise<void> {
  const begun = seconds();
  const answer = await exchange(deps, {
    url: deps.jwksUri,
    headers: {
      accept: 'application/jwk-set+json, application/json',
      ...(state.etag === null ? {} : { 'if-none-match': state.etag }),
    },
    timeoutMilliseconds: TIMEOUT_MILLISECONDS,
    bytesMax: BYTES_MAX,
  });
  if (answer.status === 200) {
    state.keys = readJwks(answer.text, state.keys);
    state.etag = answer.headers.get('etag');
  } else if (answer.status !== 304 || state.etag === null) {
    throw new Error(`${deps.jwksUri} answered ${answer.status} instead of a JWK set`);
  }
  state.confirmedAt = begun;
  state.freshUntil = begun + freshSeconds(answer.headers);
}
