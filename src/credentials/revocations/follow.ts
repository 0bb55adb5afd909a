// The loop that reads PostgreSQL every second, and sooner when somebody has reason to believe that there is something.
// It always runs: the stream is only faster.
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';

export interface Follower {
  /** Begins a reading, and resolves when it is done: one that is under way may have begun too early. Raises its error. */
  read(): Promise<void>;
  start(): void;
  /** Asks for a reading that begins soon, without waiting for it. Nothing before `start`. */
  nudge(): void;
  stop(): void;
}

const EVERY_MS = 1_000;
/** However often it is nudged, readings begin no closer to each other. */
const APART_MS = 50;

/** `readAll` reads whatever is new; it is never called while it runs. */
export function createFollower(deps: { readonly readAll: () => Promise<void>; readonly log: Log }): Follower {
  let latest: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let following = false;
  let turning = false;
  let nudged = false;
  let failing = false;
  let begunMs = Number.NEGATIVE_INFINITY;

  function begin(): Promise<void> {
    waiting = undefined;
    begunMs = monotonicMs();
    latest = deps.readAll();
    return latest;
  }

  function read(): Promise<void> {
    waiting ??= latest.then(begin, begin);
    return waiting;
  }

  function schedule(ms: number): void {
    clearTimeout(timer);
    timer = setTimeout(turn, ms).unref();
  }

  const soonMs = () => Math.max(0, begunMs + APART_MS - monotonicMs());

  async function turn(): Promise<void> {
    turning = true;
    nudged = false;
    try {
      await read();
      failing = false;
    } catch (error) {
      if (!failing) deps.log.warn({ reason: (error as Error).message }, 'revocations cannot be read from PostgreSQL');
      failing = true;
    }
    turning = false;
    if (following) schedule(nudged ? soonMs() : EVERY_MS);
  }

  return {
    read,
    start() {
      if (following) return;
      following = true;
      schedule(EVERY_MS);
    },
    nudge() {
      nudged = true;
      if (following && !turning) schedule(soonMs());
    },
    stop() {
      following = false;
      clearTimeout(timer);
    },
  };
}
