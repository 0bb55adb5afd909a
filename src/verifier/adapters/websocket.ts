// Handshakes and open sockets of the package `ws` (`tenantry/verifier/websocket`). socket-io.ts adds the sockets of
// Socket.IO. This file imports neither package, and declares the parts that it uses.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';
import { admit, authorizationOf, permissionCheck, principalOf, requirePrincipal } from './admission.ts';
import { PROBLEM_TYPE, refusalOf } from './refusal.ts';
import { connectError } from './socket-io.ts';
import { RenewalError, type SocketGuard, watchSocket } from './socket-watch.ts';

export { type SocketIoLike, type SocketIoMiddleware, type SocketIoOptions, socketIoMiddleware } from './socket-io.ts';
export type { SocketGuard };
export { principalOf, RenewalError, requirePrincipal };

/** The close code of a socket whose token has expired or has been revoked. The reason is the code of the error. */
export const CLOSE_UNAUTHENTICATED = 4401;
// How long a peer has to answer the close frame.
const CLOSE_MILLISECONDS = 1_000;
const REFUSE_MILLISECONDS = 5_000;
const BEARER_ENTRY = 'bearer.';

/** The members of a socket of `ws` that are used. */
export interface WebSocketLike {
  close(code: number, reason: string): void;
  terminate(): void;
  removeAllListeners(event: 'message'): unknown;
  on(event: 'newListener', listener: (event: string | symbol) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * The principal of an upgrade request. The token is in the Authorization header or, because browsers cannot set that
 * header, in the entry `bearer.<token>` of Sec-WebSocket-Protocol. The entry is removed from the request's headers, so
 * that it is never selected. Raises VerificationError: pass it to refuseUpgrade.
 */
export async function authenticateUpgrade(verifier: Verifier, request: IncomingMessage): Promise<VerifiedPrincipal> {
  // Until the handshake the socket has no other listener, and an error without a listener ends the process.
  request.socket.on('error', ignore);
  const header = authorizationOf(request);
  const offered = takeBearerEntry(request);
  if (header !== undefined && offered !== undefined) {
    throw new VerificationError('invalid_token', {
      message: 'The request has a token in Authorization and in Sec-WebSocket-Protocol: send one.',
    });
  }
  const principal = await (offered === undefined ? verifier.verifyHeader(header) : verifier.verify(offered));
  admit(request, verifier, principal);
  return principal;
}

function ignore(): void {}

function takeBearerEntry(request: IncomingMessage): string | undefined {
  const entries = request.headers['sec-websocket-protocol']?.split(',').map((entry) => entry.trim()) ?? [];
  const isBearer = (entry: string) => entry.toLowerCase().startsWith(BEARER_ENTRY);
  const tokens = entries.filter(isBearer).map((entry) => entry.slice(BEARER_ENTRY.length));
  if (tokens.length === 0) return undefined;
  const others = entries.filter((entry) => !isBearer(entry));
  if (others.length > 0) request.headers['sec-websocket-protocol'] = others.join(', ');
  else delete request.headers['sec-websocket-protocol'];
  if (tokens.length > 1) {
    throw new VerificationError('invalid_token', {
      message: 'Sec-WebSocket-Protocol has more than one token: send one.',
    });
  }
  return tokens[0];
}

const REASONS: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/**
 * Answers an upgrade request with the refusal and closes its connection. Any error but a VerificationError becomes a
 * 500 answer.
 */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { status, headers, body } =
    error instanceof VerificationError
      ? refusalOf(error)
      : { status: 500, headers: { 'cache-control': 'no-store' }, body: INTERNAL };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', ignore);
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  // A peer that does not read must not keep the connection open.
  const timer = setTimeout(() => socket.destroy(), REFUSE_MILLISECONDS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${lines.join('')}connection: close\r\n` +
      `content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const INTERNAL = JSON.stringify({ type: 'about:blank', title: 'Internal error', status: 500, code: 'internal_error' });

/**
 * Closes the socket with 4401 and the code as reason once the principal's token has expired or has been revoked. From
 * then on none of its messages is delivered, and a peer that does not answer the close frame is disconnected.
 */
export function closeWhenRevoked(verifier: Verifier, socket: WebSocketLike, principal: VerifiedPrincipal): SocketGuard {
  const watched = {
    holder: socket,
    end(code: string) {
      hush(socket);
      socket.close(CLOSE_UNAUTHENTICATED, code);
      const timer = setTimeout(() => socket.terminate(), CLOSE_MILLISECONDS).unref();
      socket.once('close', () => clearTimeout(timer));
      return true;
    },
  };
  const guard = watchSocket(verifier, watched, principal);
  socket.once('close', () => guard.stop());
  return guard;
}

/** Stops the delivery of messages: `ws` would deliver them until the peer answers the close frame. */
function hush(socket: WebSocketLike): void {
  socket.removeAllListeners('message');
  socket.on('newListener', (event) => {
    if (event === 'message') process.nextTick(() => socket.removeAllListeners('message'));
  });
}

/**
 * A function that checks the principal of an upgrade request or socket. It raises VerificationError if the principal
 * lacks the permission. If `next` is given, it calls `next` instead, with the error or without one.
 */
export type RequirePermission = (holder: object, next?: (error?: Error) => void) => Promise<void>;

/**
 * Returns a function that checks a permission: for an upgrade request after authenticateUpgrade, or for each message of
 * a socket that closeWhenRevoked or socketIoMiddleware watches. The function is also a middleware for `io.use`. It uses
 * the newest token of the socket, and raises `unauthenticated` if there is no principal. Creating it raises TypeError
 * for anything but `resource:action`.
 */
export function requirePermission(permission: string): RequirePermission {
  const check = permissionCheck(permission);
  return async (holder, next) => {
    if (!next) return check(holder);
    let refused: Error | undefined;
    try {
      await check(holder);
    } catch (error) {
      refused = connectError(error);
    }
    next(refused);
  };
}
