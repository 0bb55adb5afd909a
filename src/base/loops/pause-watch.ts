// Notices that this process did not run for a while: it was stopped, its virtual machine was paused, or something blocked
// the event loop. What the process then believes to be missing, such as an answer, may only not have been read yet.
import { systemTiming, type Timing } from './timing.ts';

export interface PauseWatch {
  /** Begins to watch. Before that, no pause is noticed. */
  start(): void;
  stop(): void;
  /**
   * The end of the latest pause, in ms of the timing; -Infinity for none. This is called for each request, so it only
   * compares two numbers.
   */
  resumedAt(): number;
}

export interface PauseWatchOptions {
  /** A shorter pause is not noticed. */
  readonly pauseMsMax: number;
  /** How often the watch looks. A pause may seem longer by this time. */
  readonly tickMs: number;
  readonly timing?: Timing;
  /** Called once for each pause. */
  readonly onResume?: () => void;
}

export function createPauseWatch({
  pauseMsMax,
  tickMs,
  timing = systemTiming,
  onResume,
}: PauseWatchOptions): PauseWatch {
  let seenAt = Number.POSITIVE_INFINITY; // when this process was last seen running
  let resumed = Number.NEGATIVE_INFINITY;
  let cancel = () => {};

  function look(): void {
    const now = timing.elapsed();
    if (now - seenAt <= pauseMsMax) return;
    seenAt = now;
    resumed = now;
    onResume?.();
  }

  function tick(): void {
    look();
    seenAt = timing.elapsed();
    cancel = timing.after(tickMs, tick);
  }

  return {
    start() {
      if (seenAt === Number.POSITIVE_INFINITY) tick();
    },
    stop: () => cancel(),
    resumedAt() {
      look();
      return resumed;
    },
  };
}
