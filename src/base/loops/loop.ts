// Work in the background: done again and again, sooner when there is reason to, never twice at once, with one line in the
// log when it begins to fail and one when it works again. What is done belongs to the feature that opens the loop.
import type { Log } from '../platform/log.ts';
import { settlesWithin, systemTiming, type Timing } from './timing.ts';

export interface LoopOptions {
  /** What the loop is called in the log. */
  readonly name: string;
  /** Does the work once. Never called while it is under way. What it raises is a failure. */
  readonly work: (run: Run) => Promise<void>;
  /** How long after the end of one run the next begins by itself; null for never. */
  readonly everyMs: number | null;
  /** Runs that a nudge brings begin no closer to each other; 0 unless told. */
  readonly apartMs?: number;
  /** How long a nudge waits for more of its kind; 0 unless told. */
  readonly gatherMs?: number;
  /**
   * While the work fails, the least distance between two beginnings, nudged or not: the first one, doubled with each
   * failure in a row up to the last. None unless told: then a failure changes no distance.
   */
  readonly backOffMs?: readonly [first: number, last: number];
  /** How long `stop` waits before the run under way is told to give up; 5 s unless told. */
  readonly stopMs?: number;
  /** The two lines: logged at the first failure in a row, and at the success that ends it. */
  readonly failing: string;
  readonly working: string;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly timing?: Timing;
}

/** What the work is told of its loop. */
export interface Run {
  /** True once nothing more is to be begun. */
  isStopping(): boolean;
  /** Aborts when the loop has no patience left for what is under way. */
  readonly signal: AbortSignal;
}

export interface Loop {
  readonly name: string;
  /** From now on runs by itself; the first time after one interval. A second call changes nothing. */
  start(): void;
  /** Asks for a run that begins soon, without waiting for it; any number of nudges share one. Nothing before `start`. */
  nudge(): void;
  /**
   * Begins a run as soon as none is under way, started or not, and resolves at its end; all who ask meanwhile share it.
   * Raises what the work raised, which is told to those who asked alone, and LoopStopped.
   */
  run(): Promise<void>;
  /** Begins nothing more, and resolves when the run under way has ended, or will not within a bounded time. */
  stop(): Promise<void>;
}

/** The loop begins nothing more. */
export class LoopStopped extends Error {
  override readonly name = 'LoopStopped';
}

const STOP_MS = 5_000;
/** How long a run may take to end after it was told to give up. */
const GIVE_UP_MS = 1_000;
/** Longer waits are none at all to the timers of Node. */
const WAIT_MS_MAX = 2 ** 31 - 1;

/** Opens a loop that does nothing by itself yet. */
export function openLoop(options: LoopOptions): Loop {
  const { name, everyMs, log, apartMs = 0, gatherMs = 0, timing = systemTiming } = options;
  for (const ms of [everyMs ?? 1, apartMs, gatherMs, ...(options.backOffMs ?? [])]) {
    if (!(ms >= 0 && ms <= WAIT_MS_MAX)) throw new RangeError(`${name}: no loop can wait ${ms} ms`);
  }
  const givingUp = new AbortController();
  const told: Run = { isStopping: () => stopping !== undefined, signal: givingUp.signal };
  let latest: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined; // the run that has not begun yet
  let stopping: Promise<void> | undefined;
  let started = false;
  let turning = false; // a run of the loop's own is waited for
  let failures = 0; // of the loop's own runs, in a row
  let cancel = () => {};
  let begunMs = Number.NEGATIVE_INFINITY;
  let regularMs = Number.POSITIVE_INFINITY; // when the next run is due without a nudge
  let nudgedMs = Number.POSITIVE_INFINITY; // when the first nudge came that no run has begun after

  async function begin(): Promise<void> {
    waiting = undefined;
    if (stopping) throw new LoopStopped(`${name} was stopped`);
    begunMs = timing.elapsed();
    nudgedMs = Number.POSITIVE_INFINITY;
    latest = options.work(told);
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
    schedule();
  }

  /** The time from now until the next beginning. */
  function waitMs(): number {
    const earliestMs = begunMs + Math.max(apartMs, backOff(options.backOffMs, failures));
    return Math.max(earliestMs, Math.min(regularMs, nudgedMs + gatherMs)) - timing.elapsed();
  }

  function schedule(): void {
    if (everyMs !== null) regularMs = timing.elapsed() + everyMs;
    setAlarm();
  }

  function setAlarm(): void {
    cancel();
    const ms = waitMs();
    if (!stopping && ms < Number.POSITIVE_INFINITY) cancel = timing.after(Math.max(0, ms), turn);
  }

  async function end(): Promise<void> {
    cancel();
    if (await settlesWithin(timing, options.stopMs ?? STOP_MS, latest)) return;
    givingUp.abort();
    await settlesWithin(timing, GIVE_UP_MS, latest);
  }

  return {
    name,
    start() {
      if (started || stopping) return;
      started = true;
      schedule();
    },
    nudge() {
      if (!started) return;
      nudgedMs = Math.min(nudgedMs, timing.elapsed());
      if (!turning) setAlarm();
    },
    run,
    stop() {
      stopping ??= end();
      return stopping;
    },
  };
}

function backOff(backOffMs: LoopOptions['backOffMs'], failures: number): number {
  if (!backOffMs || failures === 0) return 0;
  const [first, last] = backOffMs;
  return Math.min(first * 2 ** (failures - 1), last);
}
