// The only source of wall-clock time in the service. Decisions about sessions use the database's clock instead.

export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

/** Returns the milliseconds of a clock that never steps. Use it to measure durations. */
export function monotonicMs(): number {
  return performance.now();
}
