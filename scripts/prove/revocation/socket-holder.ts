// A process that holds one socket for each token through the sidecar, and notes when each was opened and closed.
// It is controlled by messages: see SocketOrder. Its parent chooses the tokens. history.ts judges the observations.
import { WebSocket } from 'ws';
import type { Observation } from './history.ts';
import { machineMilliseconds } from './machine-clock.ts';
import { answerOrders } from './workers.ts';

export type SocketOrder =
  | { readonly kind: 'open'; readonly url: string; readonly tokens: readonly { token: number; text: string }[] }
  /** Returns the observations of these tokens, and closes their sockets. */
  | { readonly kind: 'settle'; readonly tokens: readonly number[] };

interface Held {
  readonly socket: WebSocket;
  readonly opened: number;
  closed: number | null;
  code: number | null;
}

const REVOKED = 4401;
const held = new Map<number, Held>();

function openOne(url: string, token: number, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${text}` } });
  socket.once('error', reject);
  socket.once('open', () => {
    const entry: Held = { socket, opened: machineMilliseconds(), closed: null, code: null };
    held.set(token, entry);
    socket.on('error', () => undefined);
    socket.once('close', (code) => {
      entry.closed = machineMilliseconds();
      entry.code = code;
    });
    resolve();
  });
  return promise;
}

function settle(tokens: readonly number[]): Observation[] {
  return tokens.flatMap((token) => {
    const entry = held.get(token);
    if (!entry) return [];
    held.delete(token);
    const { opened, closed, code, socket } = entry;
    socket.terminate();
    const refused = code === REVOKED ? closed : null;
    const until = closed ?? machineMilliseconds();
    return [{ observer: 'socket', token, firstAccepted: opened, lastAccepted: until, firstRefused: refused }];
  });
}

async function obey(order: SocketOrder): Promise<unknown> {
  if (order.kind === 'settle') return settle(order.tokens);
  await Promise.all(order.tokens.map(({ token, text }) => openOne(order.url, token, text)));
  return null;
}

answerOrders(obey);
