// The WebSocket handshake with the client (RFC 6455 §4.2): the checks of the request, and the 101 answer.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Refusal } from '../core/problems.ts';
import { type Head, listOf, only } from '../http/head.ts';

/** The variable parts of the answer. */
export interface Choice {
  readonly protocol: string | null;
  /** Headers of the upstream's own answer. */
  readonly headers: readonly (readonly [string, string])[];
}

export interface Handshakes {
  /** Answers 101 and returns the open socket; null if the client has disconnected. */
  complete(request: IncomingMessage, socket: Duplex, early: Buffer, choice: Choice): WebSocket | null;
}

const KEY = /^[+/0-9A-Za-z]{22}==$/;
// Headers that the handshake sets itself, and headers of the upstream's answer that do not fit the sidecar's answer.
const NOT_HANDED_ON = /^(?:sec-websocket-.*|content-length|content-type|date)$/i;
const PLAIN_TEXT = /^[\t\x20-\x7e]*$/;

/** Raises Refusal unless the request is an opening handshake of RFC 6455 §4.2.1. */
export function assertWebSocketRequest(request: IncomingMessage, head: Head): void {
  if (only(head, 'upgrade')?.toLowerCase() !== 'websocket') throw new Refusal('upgrade_refused');
  const asks = listOf(head, 'connection').some((entry) => entry.toLowerCase() === 'upgrade');
  const isPlain = !head.fields.has('transfer-encoding') && (only(head, 'content-length') ?? '0') === '0';
  // Bytes of a body would be read as frames.
  if (head.method !== 'GET' || request.httpVersion !== '1.1' || !asks || !isPlain) {
    throw new Refusal('bad_request', {}, 'Ask for a websocket with GET, HTTP/1.1 and no body.');
  }
  if (only(head, 'sec-websocket-version') !== '13') {
    throw new Refusal('websocket_version', { 'sec-websocket-version': '13' });
  }
  if (!KEY.test(only(head, 'sec-websocket-key') ?? '')) {
    throw new Refusal('bad_request', {}, 'Sec-WebSocket-Key must be 16 bytes in base64.');
  }
}

/** Creates the server side of the handshake. */
export function createHandshakes(messageBytesMax: number): Handshakes {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    maxPayload: messageBytesMax,
  });
  const choices = new WeakMap<IncomingMessage, Choice>();
  server.on('headers', (lines, request) => {
    for (const [name, value] of choices.get(request)?.headers ?? []) {
      if (!NOT_HANDED_ON.test(name) && PLAIN_TEXT.test(value)) lines.push(`${name}: ${value}`);
    }
  });
  // `ws` repeats the checks of assertWebSocketRequest, so this is not expected.
  server.on('wsClientError', (_error, socket) => socket.destroy());

  return {
    complete(request, socket, early, choice) {
      choices.set(request, choice);
      // `ws` selects from the request's header, so the header gets the selected protocol alone.
      if (choice.protocol === null) delete request.headers['sec-websocket-protocol'];
      else request.headers['sec-websocket-protocol'] = choice.protocol;
      let opened: WebSocket | null = null;
      server.handleUpgrade(request, socket, early, (webSocket) => {
        opened = webSocket;
        webSocket.resume(); // readAhead may have paused the connection
      });
      return opened;
    },
  };
}
