// Watches the connections of the HTTP server: how many requests of a connection still wait for their answer, and since
// when the connection is idle. A client may send several requests before the first answer (RFC 9112 §9.3.2), and it
// assigns the answers by their order. So an answer may be written to a connection only when no earlier request waits
// for its answer.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { monotonicMs } from '../platform/clock.ts';

export class Connection {
  readonly socket: Socket;
  /** The number of requests that have no complete answer yet. */
  unanswered = 0;
  /** The last request that arrived. */
  latest: { readonly request: IncomingMessage; readonly response: ServerResponse } | null = null;
  /** When the last answer was complete, or when the connection was opened, in the milliseconds of `monotonicMs`. */
  idleSinceMs = monotonicMs();
  /** True once bytes have arrived that no route can answer. Later bytes of the connection are then ignored. */
  isBroken = false;
  #waiting: { readonly atMost: number; readonly act: () => void } | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    this.unanswered += 1;
    this.latest = { request, response };
    // Node emits this event exactly once: after the whole answer, or when the connection ends before that.
    response.on('close', () => {
      this.unanswered -= 1;
      this.idleSinceMs = monotonicMs();
      this.#act();
    });
  }

  /** Calls `act` as soon as at most this number of requests wait for an answer. Only the first call counts. */
  whenUnanswered(atMost: number, act: () => void): void {
    this.#waiting ??= { atMost, act };
    this.#act();
  }

  #act(): void {
    if (!this.#waiting || this.unanswered > this.#waiting.atMost) return;
    const { act } = this.#waiting;
    this.#waiting = { atMost: -1, act };
    act();
  }
}

export interface Connections {
  /** The open connections. */
  readonly open: ReadonlySet<Connection>;
  of(socket: Duplex): Connection | undefined;
  /**
   * From now on, the last answer on each connection tells the client to close the connection (RFC 9112 §9.6). An answer
   * that has already begun stays unchanged.
   */
  askToClose(): void;
}

/** Begins to watch the connections of the server. */
export function watchConnections(server: Server): Connections {
  const open = new Set<Connection>();
  const bySocket = new WeakMap<Duplex, Connection>();
  let isClosing = false;
  server.on('connection', (socket: Socket) => {
    const connection = new Connection(socket);
    bySocket.set(socket, connection);
    open.add(connection);
    socket.once('close', () => open.delete(connection));
  });
  const begin = (request: IncomingMessage, response: ServerResponse) => {
    const connection = bySocket.get(request.socket);
    if (!connection) return;
    const previous = connection.unanswered > 0 ? connection.latest?.response : undefined;
    connection.add(request, response);
    if (!isClosing) return;
    // Only the last answer may close the connection, because Node sends nothing after that answer.
    if (previous && !previous.headersSent) previous.shouldKeepAlive = true;
    response.shouldKeepAlive = false;
  };
  // This listener must run before that of the framework, which may answer at once.
  server.prependListener('request', begin);
  server.prependListener('checkExpectation', begin);
  return {
    open,
    of: (socket) => bySocket.get(socket),
    askToClose() {
      isClosing = true;
      for (const { unanswered, latest } of open) {
        if (latest && unanswered > 0 && !latest.response.headersSent) latest.response.shouldKeepAlive = false;
      }
    },
  };
}
