// After a pause of this process, holds requests back until everything is known that was revoked during the pause.
import { problem } from '../../base/errors/problem.ts';
import { createPauseWatch } from '../../base/loops/pause-watch.ts';
import { settlesWithin, type Timing } from '../../base/loops/timing.ts';
import type { Log } from '../../base/platform/log.ts';

export interface CatchUpDeps {
  readonly log: Log;
  readonly timing: Timing;
  /** Replaces the limit from which a pause counts. */
  readonly pauseMsMax?: number | undefined;
  /** The second at which this process last knew every revocation. */
  readonly freshAtSeconds: () => number;
  /** Reads PostgreSQL, in a reading that begins after this call. */
  readonly read: () => Promise<void>;
  /** Requests a reading without waiting for it. */
  readonly nudge: () => void;
  /** Whether the stream may also deliver what was missed. */
  readonly hasStream: () => boolean;
}

export interface CatchUp {
  start(): void;
  stop(): void;
  /** False from the end of a pause until everything is known that was revoked during it. */
  isCurrent(): boolean;
  /** Resolves when `isCurrent` is true, at once or after a reading. Raises revocations_stale after a few seconds. */
  untilCurrent(): Promise<void>;
  /** Call this whenever `freshAtSeconds` has changed. */
  noteFresh(): void;
}

const TICK_MS = 500;
/** A shorter pause delays a revocation no more than a reading that is a little slow. */
const PAUSE_MS_MAX = 2_000;
/** How long a request waits at most. */
const CURRENT_WITHIN_MS = 5_000;

export function createCatchUp(deps: CatchUpDeps): CatchUp {
  const { timing } = deps;
  const waiting = new Set<() => void>();
  const pauses = createPauseWatch({
    timing,
    tickMs: TICK_MS,
    pauseMsMax: deps.pauseMsMax ?? PAUSE_MS_MAX,
    onResume() {
      deps.log.warn('this process did not run for some seconds: it reads what was revoked before it answers');
      deps.nudge();
    },
  });
  const isCurrent = () => deps.freshAtSeconds() >= pauses.resumedAt() / 1000;
  return {
    start: pauses.start,
    stop: pauses.stop,
    isCurrent,
    async untilCurrent() {
      if (isCurrent()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      const reading = deps.read();
      const known = deps.hasStream() ? Promise.race([promise, reading.catch(() => promise)]) : reading;
      await settlesWithin(timing, CURRENT_WITHIN_MS, known);
      waiting.delete(resolve);
      if (!isCurrent()) throw problem('revocations_stale', { retryAfterSeconds: 1 });
    },
    noteFresh() {
      if (waiting.size === 0 || !isCurrent()) return;
      for (const wake of waiting) wake();
    },
  };
}
