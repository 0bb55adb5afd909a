// The clock and the timers that loops use. The clock never steps. Tests replace both by their own.
import { monotonicMs } from '../platform/clock.ts';

export interface Timing {
  /** Milliseconds since a fixed instant. */
  elapsed(): number;
  /** Calls `run` once, after `milliseconds`. Returns the function that cancels the call. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The clock and timers of the machine. No timer keeps the process alive. */
export const systemTiming: Timing = {
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
