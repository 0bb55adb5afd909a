// When to look at the key files again. Three sources, because none is enough alone:
// - fs.watch tells at once, yet not on every file system, and it goes blind when the folder itself is replaced;
// - a look at names and file states twice a second bounds how long a deleted key goes on verifying;
// - a thorough re-read does not trust file states either: a network file system may show old ones, and a rewrite
//   within one tick of the file clock leaves them unchanged.
// What is looked at is folder.ts' matter.
import { type FSWatcher, watch } from 'node:fs';
import { openLoop } from '../../base/loops/loop.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';

const LOOK_MS = 500;
// Copying a file raises several events, the first of them when it is still empty.
const SETTLE_MS = 50;
/** What a look would find is of no use to a process that ends. */
const STOP_MS = 1_000;

export interface Lookout {
  /** Looks on a hint and every 500 ms, thoroughly every `rescanSeconds`, until close. Keeps no process alive. */
  start(): void;
  /** A thorough look that has not begun yet. Raises what the look raised, and LoopStopped after close. */
  lookNow(): Promise<void>;
  close(): Promise<void>;
}

/** `look` is never called while one is under way: an older answer must never overwrite a newer one. */
export function openLookout(options: {
  readonly name: string;
  readonly directory: string;
  readonly rescanSeconds: number;
  readonly look: (thorough: boolean) => Promise<void>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}): Lookout {
  const { name, directory, rescanSeconds, look, log } = options;
  let watcher: FSWatcher | undefined;
  let rescanMs = Number.POSITIVE_INFINITY;
  let thorough = false;

  function rescan(): void {
    rescanMs = monotonicMs() + rescanSeconds * 1000;
    watcher?.close();
    watcher = openWatcher(directory, loop.nudge);
  }

  const loop = openLoop({
    name,
    async work() {
      if (monotonicMs() >= rescanMs) {
        rescan();
        thorough = true;
      }
      const asked = thorough;
      thorough = false;
      await look(asked);
    },
    everyMs: LOOK_MS,
    gatherMs: SETTLE_MS,
    stopMs: STOP_MS,
    failing: 'looking at the key files failed: the keys stay as they are until the next look',
    working: 'the key files are looked at again',
    log,
  });
  return {
    start() {
      rescan();
      loop.start();
    },
    lookNow() {
      thorough = true;
      return loop.run();
    },
    close() {
      watcher?.close();
      rescanMs = Number.POSITIVE_INFINITY; // a look under way opens no other watch
      return loop.stop();
    },
  };
}

function openWatcher(directory: string, hint: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, hint);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    // No watch is left on this machine or the folder is away: the looks by time do the work alone.
    return undefined;
  }
}
