// Follows the service's feed of revocations: keeps a stream open, goes on where it was cut, and knows how long it has
// been without word.
import { randomInt } from 'node:crypto';
import type { Revocation } from '../../protocol/revocation.ts';
import { createRevocationMap } from '../../protocol/revocation-map.ts';
import type { Timing } from '../core/clock.ts';
import type { RevocationSource } from '../core/contract.ts';
import { type ClientTokenDeps, CredentialsRefused, createClientToken } from '../service/client-token.ts';
import { createListeners } from './listeners.ts';
import { createFeedState } from './state.ts';
import { followStream } from './stream.ts';

export interface FeedDeps extends ClientTokenDeps {
  readonly feed: string;
  readonly toleranceSeconds: number;
  readonly lifeSecondsMax: number;
  readonly onError: (error: Error) => void;
}

const WAIT_MILLISECONDS_MIN = 100;
const WAIT_MILLISECONDS_MAX = 5000;
/** A stream that ended sooner than this was none, whatever it said. */
const LIVED_MILLISECONDS_MIN = 5000;
// An event must outlive every token that it can meet, also when the clocks differ.
const REMEMBERED_MARGIN_SECONDS = 120;

/** Begins to follow the feed at once, until it is closed. */
export function createFeed(deps: FeedDeps): RevocationSource {
  const { timing } = deps;
  const remembered = deps.lifeSecondsMax + 2 * deps.toleranceSeconds + REMEMBERED_MARGIN_SECONDS;
  const map = createRevocationMap(() => timing.elapsed() / 1000, remembered);
  const listeners = createListeners(deps.onError);
  const token = createClientToken(deps);
  const ended = new AbortController();
  let known = () => {};
  const first = new Promise<void>((resolve) => {
    known = resolve;
  });

  const state = createFeedState(timing, {
    add(revocation: Revocation) {
      if (map.add(revocation)) listeners.tell(revocation);
    },
    complete() {
      known();
      map.forgetOld();
    },
    trouble: deps.onError,
  });

  async function follow(): Promise<void> {
    let failures = 0;
    while (!ended.signal.aborted) {
      const before = state.heard();
      const begun = timing.elapsed();
      const hasLived = () => state.heard() > before && timing.elapsed() - begun >= LIVED_MILLISECONDS_MIN;
      let leastMilliseconds = 0;
      try {
        await followStream({ ...deps, token }, state, ended.signal);
        // An end without a word, or at once, is no answer, however polite.
        failures = hasLived() ? 0 : failures + 1;
      } catch (error) {
        if (ended.signal.aborted) return;
        failures = hasLived() ? 1 : failures + 1;
        const { cause } = error as Error;
        if (cause instanceof CredentialsRefused) leastMilliseconds = cause.retryAfterSeconds * 1000;
        deps.onError(error as Error);
      }
      await pause(timing, leastMilliseconds + waitMilliseconds(failures), ended.signal);
    }
  }

  void follow();
  return {
    judge: (revocable) => map.judge(revocable),
    staleSeconds: () => state.staleSeconds(),
    onRevocation: (listener) => listeners.add(listener),
    organizationId: () => token.organizationId(),
    ready: () => first,
    close: () => ended.abort(),
  };
}

// Spread out, so that not everybody comes back at once when the service does.
function waitMilliseconds(failures: number): number {
  const most = Math.min(WAIT_MILLISECONDS_MIN * 2 ** failures, WAIT_MILLISECONDS_MAX);
  return randomInt(WAIT_MILLISECONDS_MIN / 2, most + 1);
}

function pause(timing: Timing, milliseconds: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      callOff();
      ended.removeEventListener('abort', go);
      resolve();
    };
    const callOff = timing.after(milliseconds, go);
    ended.addEventListener('abort', go);
  });
}
