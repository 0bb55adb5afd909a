// The two sockets of one connection, client and upstream: messages both ways, one end for both, and a heartbeat that
// notices peers that are gone. Who may use it is decided elsewhere.
import { WebSocket } from 'ws';
import { pump } from './pump.ts';

export interface BridgeHooks {
  /** Looks at a message of the client; false keeps it from the upstream. */
  readonly fromClient: (data: Buffer, isBinary: boolean) => boolean;
  /** Looks at a message of the upstream; false keeps it from the client. */
  readonly fromUpstream: (data: Buffer, isBinary: boolean) => boolean;
  /** After a message went to the client. */
  readonly toldClient: (data: Buffer, isBinary: boolean) => void;
  /** Both sockets are closed. */
  readonly onClosed: (end: BridgeEnd) => void;
}

export interface BridgeEnd {
  readonly code: number;
  readonly reason: string;
  /** Who closed first; `sidecar` when that were we. */
  readonly by: 'client' | 'upstream' | 'sidecar';
  readonly fromClient: number;
  readonly fromUpstream: number;
}

export interface Bridge {
  /** Closes both sockets. Nothing is handed on any more from this moment. */
  close(code: number, reason: string): void;
  /** Asks both peers for a sign of life, and drops the one that gave none since the last time. */
  beat(): void;
  /** Left out where a hundred wait already. */
  sendToClient(text: string): void;
}

// How long a peer has to answer the close frame, what waits before it included.
const CLOSE_MILLISECONDS = 3_000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_TOO_BIG = 1009;
export const CLOSE_TRY_AGAIN = 1013;
export const CLOSE_BAD_GATEWAY = 1014;
/** Answers of our own that may wait for the client. */
const ANSWERS_MAX = 100;
const NO_CODE = 1005;
const LOST = 1006;

interface Leg {
  readonly socket: WebSocket;
  isAlive: boolean;
  /** What the other side is told when this one is lost. */
  lostAs: readonly [number, string];
}

function legOf(socket: WebSocket, code: number, reason: string): Leg {
  const leg: Leg = { socket, isAlive: true, lostAs: [code, reason] };
  const hear = () => {
    leg.isAlive = true;
  };
  socket.on('pong', hear).on('ping', hear).on('message', hear);
  socket.on('error', (error: Error & { code?: string }) => {
    if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') leg.lostAs = [CLOSE_TOO_BIG, 'message_too_big'];
  });
  return leg;
}

/** Sends a ping to a peer, or ends its socket when it gave no sign of life since the last one. */
function beatLeg(leg: Leg, isUnread: boolean, isBehind: boolean): void {
  if (leg.socket.readyState !== WebSocket.OPEN) return;
  // A peer that is not being read cannot answer, and a ping arrives late behind many waiting messages. pump.ts drops
  // the peers that are stuck.
  if (isUnread || isBehind) {
    leg.isAlive = true;
  } else if (leg.isAlive) {
    leg.isAlive = false;
    leg.socket.ping();
  } else leg.socket.terminate();
}

/** Joins two open sockets. */
export function bridge(client: WebSocket, upstream: WebSocket, slowSeconds: number, hooks: BridgeHooks): Bridge {
  const legs = {
    client: legOf(client, CLOSE_GOING_AWAY, 'client_lost'),
    upstream: legOf(upstream, CLOSE_BAD_GATEWAY, 'upstream_lost'),
  };
  let end: Pick<BridgeEnd, 'code' | 'reason' | 'by'> | undefined;
  let open = 2;
  let unsent = 0;

  const up = pump(client, upstream, slowSeconds, {
    take: hooks.fromClient,
    onStuck: () => close(CLOSE_TRY_AGAIN, 'upstream_slow'),
  });
  const down = pump(upstream, client, slowSeconds, {
    take: hooks.fromUpstream,
    passed: hooks.toldClient,
    onStuck: () => close(CLOSE_TRY_AGAIN, 'client_slow'),
  });

  function close(code: number, reason: string, by: BridgeEnd['by'] = 'sidecar'): void {
    if (end) return;
    end = { code, reason, by };
    up.stop();
    down.stop();
    for (const { socket } of Object.values(legs)) socket.close(code, reason);
    cutLater();
  }

  function cutLater(): void {
    setTimeout(() => {
      client.terminate();
      upstream.terminate();
    }, CLOSE_MILLISECONDS).unref();
  }

  /** One side is closed: the other one is closed likewise, after all that was handed on to it. */
  function closed(by: 'client' | 'upstream', code: number, reason: Buffer): void {
    open -= 1;
    if (!end) {
      const leg = legs[by];
      const [toldCode, toldReason] = code === LOST ? leg.lostAs : [code, reason.toString()];
      end = { code: toldCode, reason: toldReason, by };
      up.stop();
      down.stop();
      const other = by === 'client' ? upstream : client;
      if (toldCode === NO_CODE) other.close();
      else other.close(toldCode, toldReason);
      // A client that vanished takes no messages; what the upstream said before its end is still for the client.
      if (by === 'client') cutLater();
    }
    const { code: lastCode, reason: lastReason, by: who } = end;
    if (open > 0) return;
    const counts = { fromClient: up.messages(), fromUpstream: down.messages() };
    hooks.onClosed({ code: lastCode, reason: lastReason, by: who, ...counts });
  }
  client.on('close', (code, reason) => closed('client', code, reason));
  upstream.on('close', (code, reason) => closed('upstream', code, reason));

  return {
    close,
    beat() {
      beatLeg(legs.client, up.isPaused(), down.isPaused());
      beatLeg(legs.upstream, down.isPaused(), up.isPaused());
    },
    sendToClient(text) {
      // Who asks on and on and reads no answer must not fill the memory with them: the others are left out.
      if (end || client.readyState !== WebSocket.OPEN || unsent >= ANSWERS_MAX) return;
      unsent += 1;
      client.send(text, () => {
        unsent -= 1;
      });
    },
  };
}
