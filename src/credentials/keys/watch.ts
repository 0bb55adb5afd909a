// Decides when to read the key files again. It has three sources, because none is enough alone:
// - fs.watch reports a change at once, but not on every file system, and not after the folder itself has been replaced;
// - a check of names and file states twice a second limits how long a deleted key continues to verify;
// - a thorough reading does not trust file states: a network file system may show old states, and a second write within
//   one tick of the file clock leaves the state unchanged.
// folder.ts does the reading.
import { type FSWatcher, watch } from 'node:fs';
import { openLoop } from '../../base/loops/loop.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';

const CHECK_MS = 500;
// Copying a file raises several events. At the first event the file is still empty.
const SETTLE_MS = 50;
/** A process that ends does not need the result of a reading, so closing waits at most this time for a reading. */
const STOP_MS = 1_000;

export interface KeyWatch {
  /**
   * Reads after each hint of fs.watch and every 500 ms, and thoroughly every `rescanSeconds`, until `close`. It does
   * not keep the process alive.
   */
  start(): void;
  /** Makes a thorough reading. Raises the errors of `read`, and LoopStopped after `close`. */
  readNow(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the watch of a folder, which reads nothing before `start` or `readNow`. `read` is never called while a call of
 * it still runs: an older result must not overwrite a newer one.
 */
export function openKeyWatch(options: {
  readonly name: string;
  readonly directory: string;
  readonly rescanSeconds: number;
  readonly read: (thorough: boolean) => Promise<void>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}): KeyWatch {
  const { name, directory, rescanSeconds, read, log } = options;
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
      const isThorough = thorough;
      thorough = false;
      await read(isThorough);
    },
    everyMs: CHECK_MS,
    gatherMs: SETTLE_MS,
    stopMs: STOP_MS,
    failing: 'reading the key files failed: the keys stay as they are until the next reading',
    working: 'the key files can be read again',
    log,
  });
  return {
    start() {
      rescan();
      loop.start();
    },
    readNow() {
      thorough = true;
      return loop.run();
    },
    close() {
      watcher?.close();
      rescanMs = Number.POSITIVE_INFINITY; // a reading that still runs must not open another watcher
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
    // The machine has no watcher left, or the folder is missing. The timed checks are enough then.
    return undefined;
  }
}

/** Reports what readings of a folder find. A finding that the previous reading also had is not reported again. */
export function createFindings(report: (finding: string) => void): (findings: readonly string[]) => void {
  let reported = new Set<string>();
  return (findings) => {
    for (const finding of findings) if (!reported.has(finding)) report(finding);
    reported = new Set(findings);
  };
}
