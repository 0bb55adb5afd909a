// One direction of a pair of sockets: passes messages on, and stops reading while the receiver is too slow, or while it
// is not known whether the socket must end. So at most the high-water mark, one message and the bytes that were read
// together with it wait in memory.
import { WebSocket } from 'ws';
import type { Hold } from './hold.ts';

export interface Pump {
  /** Whether reading from the sender is paused. */
  isPaused(): boolean;
  messages(): number;
  /**
   * Calls `act` once no message is held back: at once, or after the messages that are held have been passed on or
   * dropped.
   */
  afterHeld(act: () => void): void;
  /** Stops passing messages on. Further messages are dropped, and so are those that are held back. */
  stop(): void;
}

export interface PumpBounds {
  readonly settings: { readonly slowSeconds: number };
  readonly hold: Hold;
}

export interface PumpHooks {
  /** Called with a message. Returns false to drop the message. */
  readonly take: (data: Buffer, isBinary: boolean) => boolean;
  /** Called after a message has been passed on. */
  readonly passed?: (data: Buffer, isBinary: boolean) => void;
  /** Called when the receiver has read nothing for `slowSeconds`. */
  readonly onStuck: () => void;
  /** Called when messages have been held back for too long. */
  readonly onHeldTooLong: () => void;
}

const HIGH_WATER_BYTES = 262_144;
const LOW_WATER_BYTES = 65_536;

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** Passes messages of `from` on to `to`. */
export function pump(from: WebSocket, to: WebSocket, { settings, hold }: PumpBounds, hooks: PumpHooks): Pump {
  let isSlow = false;
  let isStopped = false;
  let messages = 0;
  let timer: NodeJS.Timeout | undefined;
  /** The messages that are held back, in their order. */
  let held: Message[] = [];
  let endWait: (() => void) | undefined;
  let afterHeld: (() => void) | undefined;

  function readOn(): void {
    if (!isSlow && endWait === undefined) from.resume();
  }

  function written(): void {
    if (!isSlow) return;
    if (to.bufferedAmount > LOW_WATER_BYTES) {
      timer?.refresh();
      return;
    }
    clearTimeout(timer);
    isSlow = false;
    readOn();
  }

  function pass({ data, isBinary }: Message): void {
    if (isStopped || to.readyState !== WebSocket.OPEN) return;
    if (!hooks.take(data, isBinary)) return;
    messages += 1;
    to.send(data, { binary: isBinary }, written);
    hooks.passed?.(data, isBinary);
    if (isSlow || to.bufferedAmount <= HIGH_WATER_BYTES) return;
    isSlow = true;
    from.pause();
    timer = setTimeout(hooks.onStuck, settings.slowSeconds * 1000);
  }

  function keep(message: Message): void {
    held.push(message);
    if (endWait) return;
    from.pause();
    endWait = hold.wait(() => release(), hooks.onHeldTooLong);
  }

  /** Passes on what is held back. Each message is judged as if it had just arrived. */
  function release(): void {
    const all = held;
    held = [];
    endWait = undefined;
    for (const message of all) pass(message);
    const act = afterHeld;
    afterHeld = undefined;
    act?.();
    readOn();
  }

  from.on('message', (data, isBinary) => {
    if (isStopped) return;
    const message = { data: data as Buffer, isBinary }; // binaryType is nodebuffer
    if (endWait || hold.isOn()) keep(message);
    else pass(message);
  });

  return {
    isPaused: () => isSlow || endWait !== undefined,
    messages: () => messages,
    afterHeld(act) {
      if (endWait) afterHeld = act;
      else act();
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      isSlow = false;
      endWait?.();
      // The sender's close frame must still be read.
      release();
    },
  };
}
