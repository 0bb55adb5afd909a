// Compares the clock of this machine with the clock of PostgreSQL at each reading. A token that is signed by a clock
// far ahead lives longer than its revocation is remembered. A clock that is wrong by an hour would also refuse good
// tokens as expired. So a process with such a clock neither signs nor judges tokens. Between two readings, a comparison
// with a clock that never steps shows a step of the clock.
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';

/** A single reading may coincide with the moment in which a clock is corrected. */
const READINGS_APART = 2;

/** The answer of PostgreSQL with its time. */
export interface ClockReading {
  /** The time that PostgreSQL answered, in ms since 1970. */
  readonly databaseMs: number;
  /** The time of this machine when the answer arrived, in ms since 1970. */
  readonly arrivedMs: number;
  /** The time between the query and its answer, by a clock that never steps. */
  readonly waitedMs: number;
}

export interface ClockWatch {
  note(reading: ClockReading): void;
  /**
   * Whether the clocks differ by more than the limit, or may do so because the clock of this machine has stepped since
   * the last reading in which they agreed.
   */
  isApart(): boolean;
}

/**
 * By how many seconds this machine's clock is certainly ahead of PostgreSQL's. The number is negative if it is behind.
 * PostgreSQL read its clock at some moment of the wait, so a difference that the wait explains does not count.
 */
export function secondsAhead({ databaseMs, arrivedMs, waitedMs }: ClockReading): number {
  const askedMs = arrivedMs - waitedMs;
  if (databaseMs > arrivedMs) return (arrivedMs - databaseMs) / 1000;
  return databaseMs < askedMs ? (askedMs - databaseMs) / 1000 : 0;
}

export interface ClockWatchDeps {
  readonly log: Log;
  readonly apartSecondsMax: number;
  /** By how many ms the clock of this machine is ahead of a clock that never steps. */
  readonly aheadOfSteadyMs: () => number;
}

/**
 * Creates a watch that knows nothing yet. The first reading decides alone. After it, two readings in a row decide that
 * the clocks differ.
 */
export function createClockWatch({ log, apartSecondsMax, aheadOfSteadyMs }: ClockWatchDeps): ClockWatch {
  let readingsApart = READINGS_APART - 1;
  let isApart = false;
  let agreedMs: number | undefined; // what aheadOfSteadyMs was when the clocks last agreed
  const hasStepped = () => agreedMs !== undefined && Math.abs(aheadOfSteadyMs() - agreedMs) > apartSecondsMax * 1000;
  return {
    note(reading) {
      const ahead = secondsAhead(reading);
      const isWithin = Math.abs(ahead) <= apartSecondsMax;
      if (isWithin) agreedMs = aheadOfSteadyMs();
      readingsApart = isWithin ? 0 : readingsApart + 1;
      const wasApart = isApart;
      isApart = readingsApart >= READINGS_APART;
      const secondsApart = Math.round(Math.abs(ahead));
      const direction = ahead > 0 ? 'ahead' : 'behind';
      if (isApart && !wasApart) {
        const text =
          'the clock differs from the clock of PostgreSQL: no token is signed or accepted, keep both on time';
        log.error({ secondsApart, direction }, text);
      }
      if (wasApart && !isApart) log.info('the clock agrees with the clock of PostgreSQL again');
    },
    isApart: () => isApart || hasStepped(),
  };
}

/** The clock for everything about tokens. It raises clock_skewed while it cannot be trusted. */
export function trustedClock(clock: Clock, isTrusted: () => boolean): Clock {
  return {
    now() {
      if (!isTrusted()) throw problem('clock_skewed', { retryAfterSeconds: 5 });
      return clock.now();
    },
  };
}
