// One direction of a pair of sockets: hands messages on and stops reading while the receiver does not keep up, so that no
// more waits in memory than the high-water mark and one message.
import { WebSocket } from 'ws';

export interface Pump {
  /** Whether the sender is not being read because of the receiver. */
  isPaused(): boolean;
  messages(): number;
  /** Hands nothing on any more; what still comes is dropped. */
  stop(): void;
}

export interface PumpHooks {
  /** Looks at a message; false keeps it from the receiver. */
  readonly take: (data: Buffer, isBinary: boolean) => boolean;
  /** After a message went on. */
  readonly passed?: (data: Buffer, isBinary: boolean) => void;
  /** The receiver took nothing of what waits for it for as long as it may. */
  readonly onStuck: () => void;
}

const HIGH_WATER_BYTES = 262_144;
const LOW_WATER_BYTES = 65_536;

/** Begins to hand on what `from` sends to `to`. */
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
      // The sender's close frame must get through.
      resume();
    },
  };
}
