// The time that loops go by: one clock that never steps, and alarms set by it. Tests put their own in its place.
import { monotonicMs } from '../platform/clock.ts';

export interface Timing {
  /** Milliseconds since some instant that does not change. */
  elapsed(): number;
  /** Calls `run` once, after that many milliseconds; gives the function that prevents it. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The machine's own. No alarm keeps the process alive. */
export const systemTiming: Timing = {
  elapsed: monotonicMs,
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds).unref();
    return () => clearTimeout(timer);
  },
};

/** Whether the promise is settled within that time. Its error is not told. */
export function settlesWithin(timing: Timing, milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const { promise: told, resolve } = Promise.withResolvers<boolean>();
  const cancel = timing.after(milliseconds, () => resolve(false));
  const settled = () => {
    cancel();
    resolve(true);
  };
  promise.then(settled, settled);
  return told;
}
