// When to look at the key files again. Three sources, because none is enough alone:
// - fs.watch tells at once, yet not on every file system, and it goes blind when the folder itself is replaced;
// - a look at names and file states twice a second bounds how long a deleted key goes on verifying;
// - a thorough re-read does not trust file states either: a network file system may show old ones, and a rewrite
//   within one tick of the file clock leaves them unchanged.
// What is looked at is key-folder.ts' matter.
import { type FSWatcher, watch } from 'node:fs';

const LOOK_MS = 500;
// Copying a file raises several events, the first of them when it is still empty.
const SETTLE_MS = 50;

export interface Lookout {
  close(): void;
}

/** Calls `look(false)` on a hint and every 500 ms, and `look(true)` every `rescanSeconds`. Keeps no process alive. */
export function keepLookout(options: {
  readonly directory: string;
  readonly rescanSeconds: number;
  readonly look: (thorough: boolean) => void;
}): Lookout {
  const { directory, rescanSeconds, look } = options;
  let settling: NodeJS.Timeout | undefined;
  const hint = () => {
    settling ??= setTimeout(() => {
      settling = undefined;
      look(false);
    }, SETTLE_MS).unref();
  };
  let watcher = openWatcher(directory, hint);
  const poll = setInterval(() => look(false), LOOK_MS).unref();
  const rescan = setInterval(() => {
    watcher?.close();
    watcher = openWatcher(directory, hint);
    look(true);
  }, rescanSeconds * 1000).unref();
  return {
    close() {
      clearTimeout(settling);
      clearInterval(poll);
      clearInterval(rescan);
      watcher?.close();
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
