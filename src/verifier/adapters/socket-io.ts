// Handshakes and open sockets of Socket.IO 4. This file imports nothing from Socket.IO, and declares the parts of
// Socket.IO that it uses.
import type { Principal } from '../../protocol/caller.ts';
import type { VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';
import { authorizationOf, type HeaderSource } from './admission.ts';
import { RenewalError, type SocketGuard, watchSocket } from './socket-watch.ts';

/** The members of a socket of Socket.IO's server that are used. */
export interface SocketIoLike {
  readonly handshake: { readonly auth: object };
  readonly request: HeaderSource;
  readonly connected: boolean;
  readonly recovered: boolean;
  readonly data: unknown;
  readonly nsp: { readonly server: { readonly _opts: object } };
  readonly conn: { once(event: 'close', listener: () => void): unknown };
  on(event: string, listener: (...args: never[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  disconnect(close: boolean): unknown;
}

export interface SocketIoOptions {
  /** The event with which a client sends its next token. Default: `authenticate`. */
  readonly renewalEvent?: string;
}

export type SocketIoMiddleware = (socket: SocketIoLike, next: (error?: Error) => void) => void;

/**
 * A middleware for `io.use`, and for each namespace's own `use`. The token is in `auth: { token }` of the client or in
 * the Authorization header. The principal is `principalOf(socket)`, and as plain data `socket.data.principal`. At
 * expiry or revocation the client gets the event `unauthenticated` with { code }, and is disconnected. Until then it
 * may send the renewal event with { token }. The answer is the event `authenticated` with { expiresAt } or `error` with
 * { code }, or an acknowledgement with { event, data } if the client requested one.
 */
export function socketIoMiddleware(verifier: Verifier, options: SocketIoOptions = {}): SocketIoMiddleware {
  const { renewalEvent = 'authenticate' } = options;
  return (socket, next) => {
    if (skipsRecovered(socket)) return next(new Error(SKIPS_RECOVERED));
    authenticateHandshake(verifier, socket).then(
      (principal) => {
        if (!mayRecover(socket, principal)) return next(connectError(new VerificationError('invalid_token')));
        const guard = guardSocket(verifier, socket, principal);
        socket.on(renewalEvent, (...args: unknown[]) => void renew(guard, socket, args));
        next();
      },
      (error: unknown) => next(connectError(error)),
    );
  };
}

const SKIPS_RECOVERED =
  'Set connectionStateRecovery.skipMiddlewares to false on the server: recovered sockets would not be authenticated.';

function skipsRecovered({ nsp }: SocketIoLike): boolean {
  const { connectionStateRecovery } = nsp.server._opts as { connectionStateRecovery?: { skipMiddlewares?: boolean } };
  return connectionStateRecovery !== undefined && connectionStateRecovery.skipMiddlewares !== false;
}

/**
 * A recovered socket has the rooms and data of the socket before it, so both must be of the same user or client, and
 * act for the same organization.
 */
function mayRecover(socket: SocketIoLike, principal: VerifiedPrincipal): boolean {
  if (!socket.recovered) return true;
  const before = (socket.data as { principal?: Principal }).principal;
  return before?.id === principal.id && before.organizationId === principal.organizationId;
}

async function authenticateHandshake(verifier: Verifier, socket: SocketIoLike): Promise<VerifiedPrincipal> {
  const header = authorizationOf(socket.request);
  const { token } = socket.handshake.auth as { token?: unknown };
  if (token === undefined) return verifier.verifyHeader(header);
  if (typeof token !== 'string') {
    throw new VerificationError('invalid_token', { message: 'auth.token must be the access token, as text.' });
  }
  if (header !== undefined) {
    throw new VerificationError('invalid_token', {
      message: 'The handshake has a token in auth and in Authorization: send one.',
    });
  }
  return verifier.verify(token);
}

function guardSocket(verifier: Verifier, socket: SocketIoLike, principal: VerifiedPrincipal): SocketGuard {
  const watched = {
    holder: socket,
    end(code: string) {
      // Before the namespace of the socket is connected, disconnect() does nothing.
      if (!socket.connected) return false;
      socket.emit('unauthenticated', { code });
      socket.disconnect(true);
      return true;
    },
  };
  const guard = watchSocket(verifier, watched, principal);
  remember(socket, guard);
  socket.on('disconnect', () => guard.stop());
  // A socket that another middleware refuses emits no 'disconnect'.
  socket.conn.once('close', () => guard.stop());
  return guard;
}

// Socket.IO adapters send `data` to other processes, so the principal is stored as plain data without functions.
function remember(socket: SocketIoLike, { principal }: SocketGuard): void {
  (socket.data as { principal: Principal }).principal = { ...principal };
}

async function renew(guard: SocketGuard, socket: SocketIoLike, [message, answer]: unknown[]): Promise<void> {
  const reply = (event: string, data: object) => {
    if (typeof answer === 'function') answer({ event, data });
    else socket.emit(event, data);
  };
  try {
    const { token } = (message ?? {}) as { token?: unknown };
    if (typeof token !== 'string') throw new RenewalError('malformed_frame');
    const { expiresAt } = await guard.renew(token);
    remember(socket, guard);
    reply('authenticated', { expiresAt: new Date(expiresAt * 1000).toISOString() });
  } catch (error) {
    reply('error', connectError(error).data);
  }
}

/** The error in the form that Socket.IO sends to the client: its message, and `data` with its code. */
export function connectError(error: unknown): Error & { readonly data: object } {
  if (error instanceof VerificationError || error instanceof RenewalError) {
    const { code, message } = error;
    const seconds = error instanceof VerificationError ? error.retryAfterSeconds : undefined;
    const data = { code, message, ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }) };
    return Object.assign(new Error(message, { cause: error }), { data });
  }
  return Object.assign(new Error('Internal error', { cause: error }), { data: { code: 'internal_error' } });
}
