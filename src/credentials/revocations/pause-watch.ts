// Notices that this process did not run for a while: it was stopped, its virtual machine was paused, or something blocked
// the event loop. The requests that waited meanwhile are then answered before the loop has read what was revoked.
import { systemTiming, type Timing } from '../../base/loops/timing.ts';

const TICK_MS = 500;
/** A shorter pause delays a revocation no more than a reading that is a little slow. */
export const PAUSE_MS_MAX = 2_000;

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

/** `onResume` is called once for each pause that is longer than `pauseMsMax`. */
export function createPauseWatch(
  onResume: () => void,
  timing: Timing = systemTiming,
  pauseMsMax = PAUSE_MS_MAX,
): PauseWatch {
  let seenAt = Number.POSITIVE_INFINITY; // when this process was last seen running
  let resumed = Number.NEGATIVE_INFINITY;
  let cancel = () => {};

  function look(): void {
    const now = timing.elapsed();
    if (now - seenAt <= pauseMsMax) return;
    seenAt = now;
    resumed = now;
    onResume();
  }

  function tick(): void {
    look();
    seenAt = timing.elapsed();
    cancel = timing.after(TICK_MS, tick);
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
