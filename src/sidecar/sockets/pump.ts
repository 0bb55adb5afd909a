// One direction of a pair of sockets: passes messages on, and stops reading while the receiver is too slow, so that at
// most the high-water mark and one message wait in memory.
import { WebSocket } from 'ws';

export interface Pump {
  /** Whether reading from the sender is paused because the receiver is slow. */
  isPaused(): boolean;
  messages(): number;
  /** Stops passing messages on. Further messages are dropped. */
  stop(): void;
}

export interface PumpHooks {
  /** Called with a message. Returns false to drop the message. */
  readonly take: (data: Buffer, isBinary: boolean) => boolean;
  /** Called after a message was passed on. */
  readonly passed?: (data: Buffer, isBinary: boolean) => void;
  /** Called when the receiver has read nothing for `slowSeconds`. */
  readonly onStuck: () => void;
}

const HIGH_WATER_BYTES = 262_144;
const LOW_WATER_BYTES = 65_536;

/** Passes messages of `from` on to `to`. */
export function pump(from: WebSocket, to: WebSocket, slowSeconds: number, hooks: PumpHooks): Pump {
  let isPaused = false;
  let isStopped = false;
  let messages = 0;
  let timer: NodeJS.Timeout | undefined;

  function resume(): void {
    clearTimeout(timer);
    isPaused = false;
    from.resume();
  }

  function written(): void {
    if (!isPaused) return;
    if (to.bufferedAmount <= LOW_WATER_BYTES) resume();
    else timer?.refresh();
  }

  from.on('message', (message, isBinary) => {
    if (isStopped || to.readyState !== WebSocket.OPEN) return;
    const data = message as Buffer; // binaryType is nodebuffer
    if (!hooks.take(data, isBinary)) return;
    messages += 1;
    to.send(data, { binary: isBinary }, written);
    hooks.passed?.(data, isBinary);
    if (isPaused || to.bufferedAmount <= HIGH_WATER_BYTES) return;
    isPaused = true;
    from.pause();
    timer = setTimeout(hooks.onStuck, slowSeconds * 1000);
  });

  return {
    isPaused: () => isPaused,
    messages: () => messages,
    stop() {
      isStopped = true;
      // The sender's close frame must still be read.
      resume();
    },
  };
}
