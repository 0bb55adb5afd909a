// The loop that reads PostgreSQL every second, and sooner when somebody has reason to believe that there is something.
// It always runs: the stream is only faster.
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import type { Log } from '../../base/platform/log.ts';

const EVERY_MS = 1_000;
/** However often it is nudged, readings begin no closer to each other. */
const APART_MS = 50;
/** What a reading would have told is of no use to a process that ends. */
const STOP_MS = 1_000;

/** `readAll` reads whatever is new; it is never called while it runs. */
export function createFollower(deps: { readonly readAll: () => Promise<void>; readonly log: Log }): Loop {
  return openLoop({
    name: 'revocations',
    work: deps.readAll,
    everyMs: EVERY_MS,
    apartMs: APART_MS,
    stopMs: STOP_MS,
    failing: 'revocations cannot be read from PostgreSQL',
    working: 'revocations are read from PostgreSQL again',
    log: deps.log,
  });
}
