// Follows the service's feed of revocations: keeps a connection open, continues after the last event that it got, and
// knows how long the feed has been silent.
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
/** A connection that ended sooner than this counts as a failure. */
const LIVED_MILLISECONDS_MIN = 5000;
const TICK_MILLISECONDS = 1000;
// An event must be remembered for longer than any token that it concerns can live. The clocks of the replica that
// signed, of the replica behind the feed and of this machine may each be wrong by a minute.
const REMEMBERED_MARGIN_SECONDS = 240;

/** Follows the feed from now on, until `close` is called. */
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

  let connection = new AbortController();
  const state = createFeedState(timing, {
    add(revocation: Revocation) {
      if (map.add(revocation)) listeners.tell(revocation);
    },
    complete() {
      known();
      map.forgetOld();
    },
    trouble: deps.onError,
    // A new connection begins with what was missed.
    paused(seconds) {
      const length = `${Math.round(seconds)} s`;
      connection.abort(new Error(`this process did not run for ${length}, or its clock was set forward`));
    },
  });

  function tick(): void {
    cancelTick = timing.after(TICK_MILLISECONDS, tick);
    state.look();
  }
  let cancelTick = timing.after(TICK_MILLISECONDS, tick);
  ended.signal.addEventListener('abort', () => cancelTick());

  async function follow(): Promise<void> {
    let failures = 0;
    while (!ended.signal.aborted) {
      const before = state.heard();
      const begun = timing.elapsed();
      const hasLived = () => state.heard() > before && timing.elapsed() - begun >= LIVED_MILLISECONDS_MIN;
      let leastMilliseconds = 0;
      try {
        connection = new AbortController();
        await followStream({ ...deps, token }, state, AbortSignal.any([ended.signal, connection.signal]));
        // A connection that ended at once or without an event counts as a failure, even if it ended without an error.
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
    isKeyRevoked: (kid) => map.isKeyRevoked(kid),
    staleSeconds: () => state.staleSeconds(),
    isCurrent: () => state.isCurrent(),
    onRevocation: (listener) => listeners.add(listener),
    organizationId: () => token.organizationId(),
    ready: () => first,
    close: () => ended.abort(),
  };
}

// The wait is random, so that not all verifiers reconnect at the same moment after an outage.
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
