// Notices that this process did not run for a while: it was stopped, its machine was suspended, or something blocked
// the event loop. After such a pause, an answer that seems to be missing may have arrived, but has not been read yet.
import { systemTiming, type Timing } from './timing.ts';

export interface PauseWatch {
  /** Begins to watch. Before that, no pause is noticed. */
  start(): void;
  stop(): void;
  /**
   * The end of the latest pause, in ms of the timing; -Infinity for none. This is called for each request, so it only
   * reads two clocks.
   */
  resumedAt(): number;
}

export interface PauseWatchOptions {
  /** A shorter pause is not noticed. */
  readonly pauseMsMax: number;
  /** How often the watch looks. A pause may seem longer by up to this time. */
  readonly tickMs: number;
  readonly timing?: Timing;
  /** Called once for each pause. */
  readonly onResume?: () => void;
}

/**
 * Creates a watch. The clock that never steps may stop while the machine is suspended, so the wall clock counts too. A
 * wall clock that is set forward looks like a pause. A wall clock that is set back changes nothing.
 */
export function createPauseWatch({
  pauseMsMax,
  tickMs,
  timing = systemTiming,
  onResume,
}: PauseWatchOptions): PauseWatch {
  // When this process was last seen running, by both clocks.
  let seenAt = Number.POSITIVE_INFINITY;
  let seenWall = Number.POSITIVE_INFINITY;
  let resumed = Number.NEGATIVE_INFINITY;
  let cancel = () => {};

  function look(): void {
    const now = timing.elapsed();
    const wall = timing.now();
    if (Math.max(now - seenAt, wall - seenWall) <= pauseMsMax) return;
    seenAt = now;
    seenWall = wall;
    resumed = now;
    onResume?.();
  }

  function tick(): void {
    look();
    seenAt = timing.elapsed();
    seenWall = timing.now();
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
