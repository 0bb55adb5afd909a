// A loop runs work in the background again and again. A nudge makes the next run begin sooner. Two runs never overlap.
// One line in the log says that the work has begun to fail, and another line says that it succeeds again. The work
// itself belongs to the feature that opens the loop.
import type { Log } from '../platform/log.ts';
import { workForService } from '../platform/requester.ts';
import { createSchedule, type ScheduleOptions } from './schedule.ts';
import { settlesWithin, systemTiming, type Timing } from './timing.ts';

export interface LoopOptions extends ScheduleOptions {
  /** The name of the loop in the log. */
  readonly name: string;
  /**
   * Does the work once. The loop never calls this while an earlier call is still running. A raised error counts as a
   * failure.
   */
  readonly work: (run: Run) => Promise<void>;
  /** How long `stop` waits before it aborts the current run; 5 s by default. */
  readonly stopMs?: number;
  /** The line that is logged at the first failure in a row. */
  readonly failing: string;
  /** The line that is logged at the first success after a failure. */
  readonly working: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timing?: Timing;
}

/** What a run may know about its loop. */
export interface Run {
  /** True once `stop` has been called. The work must then begin nothing more. */
  isStopping(): boolean;
  /** Aborts when the loop no longer waits for the current run. */
  readonly signal: AbortSignal;
}

export interface Loop {
  readonly name: string;
  /** Starts the regular runs. The first of them begins after one interval. A second call changes nothing. */
  start(): void;
  /** Requests a run soon, without waiting for it. Any number of nudges share one run. Does nothing before `start`. */
  nudge(): void;
  /**
   * Begins a run as soon as no other run is active, whether the loop is started or not. Resolves at the end of that
   * run. All calls before the run begins share it. Raises the error of the work, to these callers only. Raises
   * LoopStopped when the loop is stopped.
   */
  run(): Promise<void>;
  /** Begins nothing more. Resolves when the current run has ended, or after a bounded time. */
  stop(): Promise<void>;
}

/** The loop is stopped and begins nothing more. */
export class LoopStopped extends Error {
  override readonly name = 'LoopStopped';
}

const STOP_MS = 5_000;
/** How long `stop` waits for a run after it has aborted the run. */
const ABORT_MS = 1_000;

/** Opens a loop, which does nothing before `start` or `run`. */
export function openLoop(options: LoopOptions): Loop {
  const { name, log, timing = systemTiming } = options;
  const schedule = createSchedule(name, options, timing);
  const aborting = new AbortController();
  const current: Run = { isStopping: () => stopping !== undefined, signal: aborting.signal };
  let latest: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined; // the run that has not begun yet
  let stopping: Promise<void> | undefined;
  let started = false;
  let turning = false; // true while a run that the loop itself began has not ended
  let failures = 0; // the number of failures in a row, counting only the runs that the loop itself began
  let cancel = () => {};

  async function begin(): Promise<void> {
    waiting = undefined;
    if (stopping) throw new LoopStopped(`${name} was stopped`);
    schedule.noteBegin();
    latest = workForService(() => options.work(current)); // a request may have requested this run
    await latest;
  }

  async function run(): Promise<void> {
    waiting ??= latest.then(begin, begin);
    await waiting;
  }

  async function turn(): Promise<void> {
    turning = true;
    try {
      await run();
      if (failures > 0) log.info({ loop: name }, options.working);
      failures = 0;
    } catch (error) {
      if (failures === 0 && !stopping) log.warn({ loop: name, reason: (error as Error).message }, options.failing);
      failures += 1;
    }
    turning = false;
    schedule.noteEnd();
    setTimer();
  }

  function setTimer(): void {
    cancel();
    const ms = schedule.waitMs(failures);
    if (!stopping && ms < Number.POSITIVE_INFINITY) cancel = timing.after(Math.max(0, ms), turn);
  }

  async function end(): Promise<void> {
    cancel();
    if (await settlesWithin(timing, options.stopMs ?? STOP_MS, latest)) return;
    aborting.abort();
    await settlesWithin(timing, ABORT_MS, latest);
  }

  return {
    name,
    start() {
      if (started || stopping) return;
      started = true;
      schedule.noteEnd();
      setTimer();
    },
    nudge() {
      if (!started) return;
      schedule.noteNudge();
      if (!turning) setTimer();
    },
    run,
    stop() {
      stopping ??= end();
      return stopping;
    },
  };
}
