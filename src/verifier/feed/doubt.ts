// Reasons to doubt what is known although the feed is not silent: this process did not run for a while, or its clock is
// wrong.
import type { Timing } from '../core/clock.ts';

/** Only a longer pause of this process counts as a pause. */
const PAUSE_MILLISECONDS_MAX = 5_000;
/** How far the clocks may differ. A heartbeat may also have been on its way for as long as the feed may be silent. */
const CLOCKS_APART_MILLISECONDS_MAX = 60_000;
const ON_ITS_WAY_MILLISECONDS_MAX = 10_000;

export interface PauseWatch {
  /** Notices a pause. Call this often. */
  look(): void;
  /** The end of the latest pause, by the clock that never steps; -Infinity for none. */
  resumedAt(): number;
}

/**
 * Creates a watch. `onPause` gets the length of each pause in seconds. The clock that never steps may stop while the
 * machine is suspended, so the wall clock counts too. If it is set forward, that looks like a pause. If it is set back,
 * that changes nothing.
 */
export function createPauseWatch(timing: Timing, onPause: (seconds: number) => void): PauseWatch {
  // When this process was last seen running, by both clocks.
  let seen = timing.elapsed();
  let seenWall = timing.now();
  let resumed = Number.NEGATIVE_INFINITY;
  function look(): void {
    const now = timing.elapsed();
    const wall = timing.now();
    const paused = Math.max(now - seen, wall - seenWall);
    seen = now;
    seenWall = wall;
    if (paused <= PAUSE_MILLISECONDS_MAX) return;
    resumed = now;
    onPause(paused / 1000);
  }

  return {
    look,
    resumedAt() {
      look(); // this may be the first code that runs after a pause
      return resumed;
    },
  };
}

export interface ClockComparison {
  /** Compares with the time of a heartbeat, a text of ISO 8601. Anything else changes nothing. */
  compare(at: unknown): void;
  areApart(): boolean;
}

/**
 * Creates a comparison. With a wrong clock, the verifier accepts expired tokens, even those whose revocation is already
 * forgotten, or it refuses good ones. `onApart` is called once, and again only after the clocks have agreed in between.
 */
export function createClockComparison(timing: Timing, onApart: (error: Error) => void): ClockComparison {
  let isApart = false;
  return {
    compare(at) {
      const sent = typeof at === 'string' ? Date.parse(at) : Number.NaN;
      if (Number.isNaN(sent)) return;
      const ahead = timing.now() - sent;
      const was = isApart;
      const aheadMax = CLOCKS_APART_MILLISECONDS_MAX + ON_ITS_WAY_MILLISECONDS_MAX;
      isApart = ahead > aheadMax || ahead < -CLOCKS_APART_MILLISECONDS_MAX;
      if (!isApart || was) return;
      const difference = `${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`;
      onApart(
        new Error(`The clock of this machine is ${difference} the clock of the service: keep both on time (NTP)`),
      );
    },
    areApart: () => isApart,
  };
}
