// Opens the WebSocket connection to the upstream with exactly the given target and headers. The result shows whether
// the upstream refused or was unavailable.
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { Refusal } from '../core/problems.ts';
import { endToEnd, type UpstreamHeaders } from '../http/upstream-headers.ts';

export type Dialled =
  | {
      readonly kind: 'open';
      /** The socket is paused. Resume it once it has listeners. */
      readonly socket: WebSocket;
      readonly protocol: string | null;
      readonly headers: readonly (readonly [string, string])[];
    }
  /** The upstream answered the handshake with a status other than 101. */
  | { readonly kind: 'answered'; readonly response: IncomingMessage };

export interface Dial {
  /** Rejects with Refusal `upstream_unavailable` or `upstream_timeout`. */
  readonly outcome: Promise<Dialled>;
  /** Gives up, even while an answer is still being read. */
  abort(): void;
}

export interface DialRequest {
  readonly upstream: URL;
  readonly target: string;
  readonly headers: UpstreamHeaders;
  readonly protocols: readonly string[];
  readonly messageBytesMax: number;
  readonly seconds: number;
}

/**
 * Whether an answer is final and can be passed on (RFC 9110 §15): not 1xx, and not a lower number, which is no status.
 */
export function isFinal({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200;
}

/** Begins to open a WebSocket connection to the upstream. */
export function dial({ upstream, target, headers, protocols, ...limits }: DialRequest): Dial {
  const address = new URL('/', upstream);
  address.protocol = upstream.protocol === 'https:' ? 'wss:' : 'ws:';
  const { promise: outcome, resolve, reject } = Promise.withResolvers<Dialled>();
  let answer: IncomingMessage | undefined;
  let protocol: string | null = null;
  let isLate = false;
  const socket = new WebSocket(address, {
    perMessageDeflate: false,
    maxPayload: limits.messageBytesMax,
    finishRequest(request) {
      // A URL would normalise the path: the upstream must get the bytes that the client sent.
      request.path = target;
      for (const name in headers) request.setHeader(name, headers[name] ?? '');
      if (protocols.length > 0) request.setHeader('sec-websocket-protocol', protocols.join(', '));
      request.end();
    },
  });
  const timer = setTimeout(() => {
    isLate = true;
    socket.terminate();
  }, limits.seconds * 1000);
  socket.on('upgrade', (response) => {
    answer = response;
    protocol = response.headers['sec-websocket-protocol'] ?? null;
    // `ws` does not know the offered protocols, because it would fail if the server selected none of them. A server
    // need not select one (RFC 6455 §4.1). So the check is here, and `ws` must not see the selected one either.
    if (protocol !== null && !protocols.includes(protocol)) socket.terminate();
    delete response.headers['sec-websocket-protocol'];
  });
  socket.on('open', () => {
    clearTimeout(timer);
    socket.pause();
    resolve({ kind: 'open', socket, protocol, headers: endToEnd(answer?.rawHeaders ?? []) });
  });
  socket.on('unexpected-response', (_request, response) => {
    clearTimeout(timer);
    if (isFinal(response)) resolve({ kind: 'answered', response });
    else socket.terminate();
  });
  socket.on('error', (error) => {
    clearTimeout(timer);
    const refusal = new Refusal(isLate ? 'upstream_timeout' : 'upstream_unavailable');
    refusal.cause = error;
    reject(refusal);
  });
  return { outcome, abort: () => socket.terminate() };
}
