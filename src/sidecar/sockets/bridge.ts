// Connects two sockets, that of the client and that of the upstream: passes messages in both directions, closes both
// sockets when one of them ends, and notices a lost peer by a heartbeat.
import { WebSocket } from 'ws';
import { type PumpBounds, pump } from './pump.ts';

export interface BridgeHooks {
  /** Called with a message of the client. Returns false to drop the message. */
  readonly fromClient: (data: Buffer, isBinary: boolean) => boolean;
  /** Called with a message of the upstream. Returns false to drop the message. */
  readonly fromUpstream: (data: Buffer, isBinary: boolean) => boolean;
  /** Called after a message has been sent to the client. */
  readonly sentToClient: (data: Buffer, isBinary: boolean) => void;
  /** Called when both sockets are closed. */
  readonly onClosed: (end: BridgeEnd) => void;
}

export interface BridgeEnd {
  readonly code: number;
  readonly reason: string;
  /** The side that closed first. */
  readonly by: 'client' | 'upstream' | 'sidecar';
  readonly fromClient: number;
  readonly fromUpstream: number;
}

export interface Bridge {
  /** Closes both sockets. From then on no message is passed on. */
  close(code: number, reason: string): void;
  /**
   * Sends each peer a ping, or disconnects a peer that has sent nothing since the last ping. Skips a peer while
   * messages wait.
   */
  beat(): void;
  /** Sends the client a text message from the sidecar itself. It is dropped if a hundred such messages already wait. */
  sendToClient(text: string): void;
}

// How long a peer has to read the waiting messages and to answer the close frame.
const CLOSE_MILLISECONDS = 3_000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_TOO_BIG = 1009;
export const CLOSE_TRY_AGAIN = 1013;
export const CLOSE_BAD_GATEWAY = 1014;
/** How many answers of the sidecar may wait for the client. */
const ANSWERS_MAX = 100;
const NO_CODE = 1005;
const LOST = 1006;

interface Leg {
  readonly socket: WebSocket;
  isAlive: boolean;
  /** The code and reason with which the other side is closed if this side is lost. */
  lostAs: readonly [number, string];
}

function legOf(socket: WebSocket, code: number, reason: string): Leg {
  const leg: Leg = { socket, isAlive: true, lostAs: [code, reason] };
  const markAlive = () => {
    leg.isAlive = true;
  };
  socket.on('pong', markAlive).on('ping', markAlive).on('message', markAlive);
  socket.on('error', (error: Error & { code?: string }) => {
    if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') leg.lostAs = [CLOSE_TOO_BIG, 'message_too_big'];
  });
  return leg;
}

/** Sends a ping to a peer, or disconnects the peer if it has sent nothing since the last ping. */
function beatLeg(leg: Leg, isUnread: boolean, isBehind: boolean): void {
  if (leg.socket.readyState !== WebSocket.OPEN) return;
  // A peer that is not being read cannot answer, and a ping arrives late behind many waiting messages. pump.ts
  // disconnects the peers that are stuck.
  if (isUnread || isBehind) {
    leg.isAlive = true;
  } else if (leg.isAlive) {
    leg.isAlive = false;
    leg.socket.ping();
  } else leg.socket.terminate();
}

function cutLater(...sockets: WebSocket[]): void {
  setTimeout(() => sockets.forEach((socket) => void socket.terminate()), CLOSE_MILLISECONDS).unref();
}

/**
 * Returns the function that sends text messages of the sidecar itself. A client that reads no answer must not fill the
 * memory, so further messages are dropped.
 */
function answersTo(client: WebSocket): (text: string) => void {
  let unsent = 0;
  return (text) => {
    if (client.readyState !== WebSocket.OPEN || unsent >= ANSWERS_MAX) return;
    unsent += 1;
    client.send(text, () => {
      unsent -= 1;
    });
  };
}

/** Joins two open sockets. */
export function bridge(client: WebSocket, upstream: WebSocket, bounds: PumpBounds, hooks: BridgeHooks): Bridge {
  const legs = {
    client: legOf(client, CLOSE_GOING_AWAY, 'client_lost'),
    upstream: legOf(upstream, CLOSE_BAD_GATEWAY, 'upstream_lost'),
  };
  let end: Pick<BridgeEnd, 'code' | 'reason' | 'by'> | undefined;
  let open = 2;
  const send = answersTo(client);

  const onHeldTooLong = () => close(CLOSE_TRY_AGAIN, 'revocations_stale');
  const up = pump(client, upstream, bounds, {
    take: hooks.fromClient,
    onStuck: () => close(CLOSE_TRY_AGAIN, 'upstream_slow'),
    onHeldTooLong,
  });
  const down = pump(upstream, client, bounds, {
    take: hooks.fromUpstream,
    passed: hooks.sentToClient,
    onStuck: () => close(CLOSE_TRY_AGAIN, 'client_slow'),
    onHeldTooLong,
  });

  function close(code: number, reason: string, by: BridgeEnd['by'] = 'sidecar'): void {
    if (end) return;
    end = { code, reason, by };
    up.stop();
    down.stop();
    for (const { socket } of Object.values(legs)) socket.close(code, reason);
    cutLater(client, upstream);
  }

  /**
   * Handles the end of one side. The other side is closed in the same way, after all earlier messages have been sent to
   * it. Messages that are held back count as earlier messages.
   */
  function closed(by: 'client' | 'upstream', code: number, reason: string): void {
    open -= 1;
    if (open > 0) {
      (by === 'client' ? up : down).afterHeld(() => endBy(by, code, reason));
      return;
    }
    // The end of the side that closed first may still wait for messages that are held back. stop() handles that end
    // first.
    up.stop();
    down.stop();
    endBy(by, code, reason);
    if (end) hooks.onClosed({ ...end, fromClient: up.messages(), fromUpstream: down.messages() });
  }

  function endBy(by: 'client' | 'upstream', code: number, reason: string): void {
    if (end) return;
    const leg = legs[by];
    const [endCode, endReason] = code === LOST ? leg.lostAs : [code, reason];
    end = { code: endCode, reason: endReason, by };
    up.stop();
    down.stop();
    const other = by === 'client' ? upstream : client;
    if (endCode === NO_CODE) other.close();
    else other.close(endCode, endReason);
    // A client that has closed reads no messages. The last messages of the upstream are still for the client, so the
    // client gets more time.
    if (by === 'client') cutLater(client, upstream);
  }
  client.on('close', (code, reason) => closed('client', code, reason.toString()));
  upstream.on('close', (code, reason) => closed('upstream', code, reason.toString()));

  return {
    close,
    beat() {
      beatLeg(legs.client, up.isPaused(), down.isPaused());
      beatLeg(legs.upstream, down.isPaused(), up.isPaused());
    },
    sendToClient(text) {
      if (!end) send(text);
    },
  };
}
