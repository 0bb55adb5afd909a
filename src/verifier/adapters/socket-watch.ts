// Ends open sockets when their token expires or is revoked: with one listener and one timer for all sockets of a
// verifier. The adapter of a socket knows how to end the socket.
import type { Revocation } from '../../protocol/revocation.ts';
import type { VerificationCode, VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { admit, dismiss } from './admission.ts';

// No event announces the expiry of a token, so all sockets are checked at this interval. A check of 10,000 sockets
// takes less than a millisecond.
const SWEEP_MILLISECONDS = 250;

export interface WatchedSocket {
  /** The object that the principal is remembered for. */
  readonly holder: object;
  /**
   * Ends the socket. Returns false if the socket cannot be ended yet. This function is then called again until it
   * returns true.
   */
  end(code: VerificationCode): boolean;
}

/** Controls the watch on an open socket. */
export interface SocketGuard {
  /** The newest principal of the socket. */
  readonly principal: VerifiedPrincipal;
  /**
   * Continues the socket with another token of the same user or client and organization. Raises VerificationError for a
   * bad token, and RenewalError for a good token that does not fit this socket. In both cases the socket continues with
   * its current token.
   */
  renew(token: string): Promise<VerifiedPrincipal>;
  /** Stops watching the socket without ending it. */
  stop(): void;
}

const RENEWAL_MESSAGES = {
  malformed_frame: 'Send { token }: the next access token, as text.',
  other_subject: 'The token is of another user or client than the socket: open another socket with it.',
  other_organization: 'The token is for an organization other than that of the socket: open another socket with it.',
  token_older: 'The token expires before the one in use: refresh it.',
  socket_closed: 'The socket is closed: open another.',
} as const;

/** Why a good token does not renew a socket. */
export class RenewalError extends Error {
  override readonly name = 'RenewalError';
  readonly code: keyof typeof RENEWAL_MESSAGES;
  constructor(code: keyof typeof RENEWAL_MESSAGES) {
    super(RENEWAL_MESSAGES[code]);
    this.code = code;
  }
}

interface Entry {
  readonly socket: WatchedSocket;
  principal: VerifiedPrincipal;
  isOver: boolean;
}

interface Watch {
  add(entry: Entry): void;
  remove(entry: Entry): void;
  judge(entry: Entry): void;
}

const watches = new WeakMap<Verifier, Watch>();

/**
 * Watches an accepted socket. The socket is judged at once, at each revocation that may concern it, and every 250 ms,
 * because its token may have expired.
 */
export function watchSocket(verifier: Verifier, socket: WatchedSocket, principal: VerifiedPrincipal): SocketGuard {
  const watch = watches.get(verifier) ?? createWatch(verifier);
  watches.set(verifier, watch);
  const entry: Entry = { socket, principal, isOver: false };
  admit(socket.holder, verifier, principal);
  watch.add(entry);
  watch.judge(entry); // the token may have been revoked since it was verified
  return {
    get principal() {
      return entry.principal;
    },
    async renew(token) {
      const renewed = await verifier.verify(token);
      if (entry.isOver) throw new RenewalError('socket_closed');
      assertContinues(entry.principal, renewed);
      watch.remove(entry);
      entry.principal = renewed;
      admit(socket.holder, verifier, renewed);
      watch.add(entry);
      return renewed;
    },
    stop() {
      entry.isOver = true;
      dismiss(socket.holder);
      watch.remove(entry);
    },
  };
}

function assertContinues(current: VerifiedPrincipal, next: VerifiedPrincipal): void {
  if (next.kind !== current.kind || next.id !== current.id) throw new RenewalError('other_subject');
  if (next.organizationId !== current.organizationId) throw new RenewalError('other_organization');
  if (next.expiresAt < current.expiresAt) throw new RenewalError('token_older');
}

function createWatch(verifier: Verifier): Watch {
  const entries = new Set<Entry>();
  const byKey = new Map<string, Set<Entry>>();
  let stopListening: (() => void) | undefined;
  let timer: NodeJS.Timeout | undefined;

  function judge(entry: Entry): void {
    const code = verifier.judge(entry.principal);
    if (code === null && !entry.isOver) return;
    entry.isOver = true;
    dismiss(entry.socket.holder);
    if (entry.socket.end(code ?? 'invalid_token')) remove(entry);
  }

  function judgeAll(some: Iterable<Entry>): void {
    for (const entry of [...some]) judge(entry);
  }

  function add(entry: Entry): void {
    entries.add(entry);
    for (const key of keysOf(entry.principal)) {
      const held = byKey.get(key);
      if (held) held.add(entry);
      else byKey.set(key, new Set([entry]));
    }
    stopListening ??= verifier.onRevocation((revocation) => {
      judgeAll(isOfAll(revocation) ? entries : (byKey.get(keyOf(revocation)) ?? []));
    });
    timer ??= setInterval(() => judgeAll(entries), SWEEP_MILLISECONDS).unref();
  }

  function remove(entry: Entry): void {
    if (!entries.delete(entry)) return;
    for (const key of keysOf(entry.principal)) {
      const held = byKey.get(key);
      held?.delete(entry);
      if (held?.size === 0) byKey.delete(key);
    }
    if (entries.size > 0) return;
    stopListening?.();
    clearInterval(timer);
    stopListening = undefined;
    timer = undefined;
  }

  return { add, remove, judge };
}

function keysOf(principal: VerifiedPrincipal): string[] {
  const keys = [`id ${principal.id}`];
  if (principal.kind === 'user') {
    keys.push(`session ${principal.sessionId}`, `membership ${principal.organizationId} ${principal.id}`);
  }
  if (principal.organizationId !== null) keys.push(`organization ${principal.organizationId}`);
  return keys;
}

type RevocationOfAll = Extract<Revocation, { kind: 'everything' | 'key' }>;

/** Whether a revocation may concern every socket. */
function isOfAll(revocation: Revocation): revocation is RevocationOfAll {
  return revocation.kind === 'everything' || revocation.kind === 'key';
}

function keyOf(revocation: Exclude<Revocation, RevocationOfAll>): string {
  if (revocation.kind === 'session') return `session ${revocation.sid}`;
  if (revocation.kind === 'user') return `id ${revocation.sub}`;
  if (revocation.kind === 'membership') return `membership ${revocation.org} ${revocation.sub}`;
  if (revocation.kind === 'client') return `id ${revocation.client_id}`;
  return `organization ${revocation.org}`;
}
