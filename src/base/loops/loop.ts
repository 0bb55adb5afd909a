// Work in the background: it runs again and again, sooner after a nudge, and never twice at once. One line in the log
// says that it began to fail, and one that it works again. The work itself belongs to the feature that opens the loop.
import type { Log } from '../platform/log.ts';
import { createSchedule, type ScheduleOptions } from './schedule.ts';
import { settlesWithin, systemTiming, type Timing } from './timing.ts';

export interface LoopOptions extends ScheduleOptions {
  /** The name of the loop in the log. */
  readonly name: string;
  /** Does the work once. Never called while it is under way. A raised error counts as a failure. */
  readonly work: (run: Run) => Promise<void>;
  /** How long `stop` waits before it aborts the run under way; 5 s by default. */
  readonly stopMs?: number;
  /** The line that is logged at the first failure in a row. */
  readonly failing: string;
  /** The line that is logged at the success after failures. */
  readonly working: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timing?: Timing;
}

/** What a run may know about its loop. */
export interface Run {
  /** True once the loop is being stopped: the work must begin nothing more. */
  isStopping(): boolean;
  /** Aborts when the loop waits no longer for the run under way. */
  readonly signal: AbortSignal;
}

export interface Loop {
  readonly name: string;
  /** Starts the regular runs; the first one begins after one interval. A second call changes nothing. */
  start(): void;
  /** Requests a run soon, without waiting for it. Any number of nudges share one run. Does nothing before `start`. */
  nudge(): void;
  /**
   * Begins a run as soon as none is under way, whether the loop is started or not, and resolves at its end. All calls
   * before that beginning share the run. Raises what the work raised, to these callers only, and LoopStopped.
   */
  run(): Promise<void>;
  /** Begins nothing more. Resolves when the run under way has ended, or after a bounded time. */
  stop(): Promise<void>;
}

/** The loop is stopped and begins nothing more. */
export class LoopStopped extends Error {
  override readonly name = 'LoopStopped';
}

const STOP_MS = 5_000;
/** How long `stop` waits for a run after it was aborted. */
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
  let turning = false; // a run that the loop itself began is not settled yet
  let failures = 0; // in a row, of the runs that the loop itself began
  let cancel = () => {};

  async function begin(): Promise<void> {
    waiting = undefined;
    if (stopping) throw new LoopStopped(`${name} was stopped`);
    schedule.noteBegin();
    latest = options.work(current);
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
