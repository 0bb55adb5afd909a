// After a pause of this process (it was stopped, or its machine was suspended), holds messages and streams back until
// everything is known that was revoked during the pause. Messages that arrived during the pause are often read before
// the feed.
import { Transform } from 'node:stream';
import { SYSTEM_TIMING } from '../../verifier/core/clock.ts';
import type { Verifier } from '../../verifier/core/contract.ts';

export interface Hold {
  /**
   * True from the end of a pause until everything is known that was revoked during it. Ask this before each message.
   */
  isOn(): boolean;
  /**
   * Calls `over` once the hold has ended, or `late` if it lasts too long. Returns the function that cancels both.
   */
  wait(over: () => void, late: () => void): () => void;
  /** Cancels all waits. */
  close(): void;
}

const LOOK_MILLISECONDS = 20;
const { elapsed } = SYSTEM_TIMING;

interface Waiting {
  readonly over: () => void;
  readonly late: () => void;
  readonly until: number;
}

/** Creates the hold that all sockets of a sidecar share. Nobody waits for it longer than `secondsMax`. */
export function createHold(verifier: Pick<Verifier, 'isCurrent'>, secondsMax: number): Hold {
  const waiting = new Set<Waiting>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const isOver = verifier.isCurrent();
    const now = elapsed();
    for (const one of [...waiting]) {
      // A call for an earlier entry may have cancelled this one.
      if (!waiting.has(one) || (!isOver && now < one.until)) continue;
      waiting.delete(one);
      if (isOver) one.over();
      else one.late();
    }
    if (waiting.size === 0) stop();
  }

  function stop(): void {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    isOn: () => !verifier.isCurrent(),
    wait(over, late) {
      const one = { over, late, until: elapsed() + secondsMax * 1000 };
      waiting.add(one);
      timer ??= setInterval(look, LOOK_MILLISECONDS);
      return () => void waiting.delete(one);
    },
    close() {
      waiting.clear();
      stop();
    },
  };
}

/** A stream whose chunks wait while the hold is on. `late` is called if one waits for too long. */
export function heldStream(hold: Hold, late: () => void): Transform {
  let cancel = () => {};
  return new Transform({
    transform(chunk, _encoding, done) {
      if (hold.isOn()) cancel = hold.wait(() => done(null, chunk), late);
      else done(null, chunk);
    },
    destroy(error, done) {
      cancel();
      done(error);
    },
  });
}
