// Time as the verifier sees it: the wall clock that tokens are judged by, a clock that never steps for how old things
// are, and alarms that hold no process back from ending.

export interface Timing {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a clock that never steps. */
  elapsed(): number;
  /**
   * Runs something once after so many milliseconds; gives the function that calls it off. The process may end before,
   * unless somebody `waits` for it.
   */
  after(milliseconds: number, run: () => void, waits?: 'waits'): () => void;
}

export const SYSTEM_TIMING: Timing = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(milliseconds, run, waits) {
    const timer = setTimeout(run, milliseconds);
    if (waits === undefined) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The system's time with another wall clock. */
export function timingOf(clock: { now(): number } | undefined): Timing {
  return clock ? { ...SYSTEM_TIMING, now: () => clock.now() } : SYSTEM_TIMING;
}
