// Ends the connections of a server that stops, without losing a request that is answered in time. The last answer on
// each connection tells the client to close it. A connection without a request ends after it has been idle for a while.
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../platform/clock.ts';
import type { Connections } from './connections.ts';

export interface FarewellOptions {
  /**
   * How long a connection without a request stays open, and how long new connections are accepted. A client may be
   * about to send a request.
   */
  readonly idleMs: number;
  /** After this time the remaining connections are closed. */
  readonly withinMs: number;
  /** Called once, to stop accepting new connections. */
  readonly stopListening: () => void;
}

const STEP_MS = 20;

/** Resolves when every connection has ended. After `withinMs`, it closes the remaining connections and resolves. */
export async function endConnections(connections: Connections, options: FarewellOptions): Promise<void> {
  const { idleMs, withinMs, stopListening } = options;
  const begunMs = monotonicMs();
  let isListening = true;
  connections.askToClose();
  for (;;) {
    // After this turn of the event loop, everything that has arrived has been read.
    await nextTurn();
    const nowMs = monotonicMs();
    const isOver = nowMs - begunMs >= withinMs;
    for (const { socket, unanswered, idleSinceMs } of connections.open) {
      const isIdle = unanswered === 0 && nowMs - Math.max(begunMs, idleSinceMs) >= idleMs;
      if (isIdle || isOver) socket.destroy();
    }
    if (isListening && (nowMs - begunMs >= idleMs || connections.open.size === 0)) {
      stopListening();
      isListening = false;
    }
    if (connections.open.size === 0 || isOver) return;
    await delay(STEP_MS);
  }
}
