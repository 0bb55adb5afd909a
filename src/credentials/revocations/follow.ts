// The loop that reads PostgreSQL every second, and sooner when a hint arrives that something is new. The loop runs with
// and without a stream, because the stream only adds speed.
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import type { Timing } from '../../base/loops/timing.ts';
import type { Log } from '../../base/platform/log.ts';

const EVERY_MS = 1_000;
/** The shortest time between the beginnings of two readings, however many hints arrive. */
const APART_MS = 50;
/** A process that ends does not need the result of a reading, so closing waits at most this time for a reading. */
const STOP_MS = 1_000;

/**
 * Creates the loop, which is not started yet. `readAll` reads every new revocation. Only one call of `readAll` runs at
 * a time.
 */
export function createFollower(deps: {
  readonly readAll: () => Promise<void>;
  readonly log: Log;
  readonly timing?: Timing;
}): Loop {
  return openLoop({
    name: 'revocations',
    work: deps.readAll,
    everyMs: EVERY_MS,
    apartMs: APART_MS,
    stopMs: STOP_MS,
    failing: 'revocations cannot be read from PostgreSQL',
    working: 'revocations are read from PostgreSQL again',
    log: deps.log,
    ...(deps.timing && { timing: deps.timing }),
  });
}
