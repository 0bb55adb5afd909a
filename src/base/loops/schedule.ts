// When the next run of a loop is due. Setting the timer and running the work belong to loop.ts.
import type { Timing } from './timing.ts';

export interface ScheduleOptions {
  /**
   * The time from the end of one run to the beginning of the next run without a nudge. With null, only nudges count.
   */
  readonly everyMs: number | null;
  /** The least time between the beginnings of two runs; 0 by default. */
  readonly apartMs?: number;
  /** How long the first nudge waits for further nudges; 0 by default. */
  readonly gatherMs?: number;
  /**
   * The least time between the beginnings of two runs while the work fails, with or without a nudge. It starts with
   * `first` and doubles with each failure in a row, up to `last`. By default a failure changes nothing.
   */
  readonly backOffMs?: readonly [first: number, last: number];
}

export interface Schedule {
  /** Reports that a run has begun. This run handles every earlier nudge. */
  noteBegin(): void;
  /** Reports that a run has ended or that the loop has started. The next regular run is one interval away. */
  noteEnd(): void;
  noteNudge(): void;
  /** Returns the time from now until the next run, after this number of failures in a row. Infinity means never. */
  waitMs(failures: number): number;
}

/** A longer wait overflows a timer of Node, and the timer then fires at once. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/** Raises RangeError for a wait that is too long for a timer. `name` is the name of the loop. */
export function createSchedule(name: string, options: ScheduleOptions, timing: Timing): Schedule {
  const { everyMs, apartMs = 0, gatherMs = 0, backOffMs } = options;
  for (const ms of [everyMs ?? 1, apartMs, gatherMs, ...(backOffMs ?? [])]) {
    if (!(ms >= 0 && ms <= WAIT_MS_MAX)) throw new RangeError(`${name}: no loop can wait ${ms} ms`);
  }
  let begunMs = Number.NEGATIVE_INFINITY;
  let regularMs = Number.POSITIVE_INFINITY; // when the next run is due without a nudge
  let nudgedMs = Number.POSITIVE_INFINITY; // the time of the first nudge that no run has handled yet
  return {
    noteBegin() {
      begunMs = timing.elapsed();
      nudgedMs = Number.POSITIVE_INFINITY;
    },
    noteEnd() {
      if (everyMs !== null) regularMs = timing.elapsed() + everyMs;
    },
    noteNudge() {
      nudgedMs = Math.min(nudgedMs, timing.elapsed());
    },
    waitMs(failures) {
      const earliestMs = begunMs + Math.max(apartMs, backOff(backOffMs, failures));
      return Math.max(earliestMs, Math.min(regularMs, nudgedMs + gatherMs)) - timing.elapsed();
    },
  };
}

function backOff(backOffMs: ScheduleOptions['backOffMs'], failures: number): number {
  if (!backOffMs || failures === 0) return 0;
  const [first, last] = backOffMs;
  return Math.min(first * 2 ** (failures - 1), last);
}
