// Clocks and timers that move only when a test moves them.
import type { Timing } from '../../src/verifier/core/clock.ts';

export interface ManualTiming extends Timing {
  /** Moves both clocks, and runs the due timers in order. Settles after each timer. */
  advance(seconds: number): Promise<void>;
  /** Waits a few turns of the event loop, so that promises that wait for no timer can settle. */
  settle(): Promise<void>;
  /** Moves only the wall clock. */
  step(seconds: number): void;
  /** Moves both clocks without running timers, like a machine that was suspended. */
  freeze(seconds: number): void;
}

interface Alarm {
  readonly at: number;
  readonly run: () => void;
}

/** Creates the clocks and timers. The wall clock starts at the given second since 1970. */
export function createManualTiming(now = 1_800_000_000): ManualTiming {
  let wall = now * 1000;
  let steady = 0;
  const alarms = new Set<Alarm>();

  async function settle(): Promise<void> {
    // A fetch that is answered in memory needs a few turns of the event loop for each step.
    for (let turn = 0; turn < 12; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  function earliest(until: number): Alarm | undefined {
    const due = [...alarms].filter(({ at }) => at <= until);
    return due.reduce<Alarm | undefined>((first, next) => (first && first.at <= next.at ? first : next), undefined);
  }

  function moveTo(instant: number): void {
    wall += Math.max(instant - steady, 0);
    steady = Math.max(instant, steady);
  }

  return {
    now: () => wall,
    elapsed: () => steady,
    after(milliseconds, run) {
      const alarm = { at: steady + milliseconds, run };
      alarms.add(alarm);
      return () => void alarms.delete(alarm);
    },
    async advance(seconds) {
      const until = steady + seconds * 1000;
      await settle();
      for (let next = earliest(until); next; next = earliest(until)) {
        alarms.delete(next);
        moveTo(next.at);
        next.run();
        await settle();
      }
      moveTo(until);
    },
    settle,
    step(seconds) {
      wall += seconds * 1000;
    },
    freeze(seconds) {
      moveTo(steady + seconds * 1000);
    },
  };
}
