// The server behind the sidecar, a separate process without code for tokens. It echoes messages, returns the
// headers that it received, or sends as much as the socket takes. The process is controlled by messages: see
// UpstreamOrder.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { answerOrders } from '../revocation/workers.ts';

export type UpstreamOrder =
  /** Returns the port. */
  | { readonly kind: 'open' }
  /** Sends `bytesEach` bytes to each socket of /flood, as fast as the socket takes them. */
  | { readonly kind: 'flood'; readonly bytesEach: number }
  | { readonly kind: 'report' };

export interface UpstreamReport {
  /** The number of bytes that were sent to sockets of /flood. */
  readonly flooded: number;
}

const CHUNK = Buffer.alloc(65_536, 'x');
const WAITING_BYTES_MAX = 262_144;

const server = createServer((_, response) => response.end('plain'));
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
const floods = new Set<WebSocket>();
let flooded = 0;

sockets.on('connection', (socket, request) => {
  socket.on('error', () => undefined);
  if (request.url === '/headers') socket.send(JSON.stringify(request.rawHeaders));
  else if (request.url === '/flood') {
    floods.add(socket);
    socket.on('close', () => floods.delete(socket));
  } else socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }));
});

function flood(socket: WebSocket, bytes: number): void {
  let left = bytes;
  const more = (error?: Error) => {
    if (error) return;
    while (left > 0 && socket.readyState === socket.OPEN && socket.bufferedAmount < WAITING_BYTES_MAX) {
      left -= CHUNK.length;
      socket.send(CHUNK, (failed) => {
        if (!failed) flooded += CHUNK.length;
        more(failed);
      });
    }
  };
  more();
}

async function obey(order: UpstreamOrder): Promise<unknown> {
  if (order.kind === 'report') return { flooded } satisfies UpstreamReport;
  if (order.kind === 'flood') {
    for (const socket of floods) flood(socket, order.bytesEach);
    return null;
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

answerOrders(obey);
