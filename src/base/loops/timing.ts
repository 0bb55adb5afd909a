// The clocks and the timers that loops use. Tests replace them with their own.
import { monotonicMs, systemClock } from '../platform/clock.ts';

export interface Timing {
  /** Milliseconds since 1970. This clock may be set forward or back, so it measures no durations. */
  now(): number;
  /** Milliseconds since a fixed instant. This clock never steps. It may stop while the machine is suspended. */
  elapsed(): number;
  /** Calls `run` once, after `milliseconds`. Returns the function that cancels the call. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The clock and timers of the machine. No timer keeps the process alive. */
export const systemTiming: Timing = {
  now: () => systemClock.now().getTime(),
  elapsed: monotonicMs,
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds).unref();
    return () => clearTimeout(timer);
  },
};

/** Returns whether the promise settles within `milliseconds`. An error of the promise is ignored. */
export function settlesWithin(timing: Timing, milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: isInTime, resolve } = Promise.withResolvers<boolean>();
  const cancel = timing.after(milliseconds, () => resolve(false));
  const settled = () => {
    cancel();
    resolve(true);
  };
  promise.then(settled, settled);
  return isInTime;
}
