// The verifier's clocks: the wall clock for the expiry of tokens, and a clock that never steps, for durations. Also its
// timers, which keep the process alive only on request.

export interface Timing {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds of a clock that never steps. */
  elapsed(): number;
  /**
   * Runs a function once after `milliseconds`. Returns the function that cancels it. The process may end before that,
   * unless `waits` is passed.
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

/** The system's clocks, with another wall clock if one is passed. */
export function timingOf(clock: { now(): number } | undefined): Timing {
  return clock ? { ...SYSTEM_TIMING, now: () => clock.now() } : SYSTEM_TIMING;
}
