// The message with which a client sends a new token on an open socket, and the answers to it: in plain JSON, and as
// events of Socket.IO. All other messages are for the upstream.

export interface RenewalFrame {
  /** Null if the message has no token or is malformed. */
  readonly token: string | null;
  /** The text of the answer to an accepted token. */
  accepted(expiresAt: string | null): string;
  refused(code: string): string;
}

// A token may have 24 KiB (protocol/jws.ts).
export const RENEWAL_BYTES_MAX = 32_768;
const EVENT = 'authenticate';
const OPENING = 2048;
const LARGE = /^\s*\{\s*"event"\s*:\s*"authenticate"/;
const BRACE = 0x7b;
const BLANKS: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]); // RFC 8259 §2

/** Reads `{"event":"authenticate","data":{"token":"…"}}`. Returns null for any other message. */
export function readPlainRenewal(data: Buffer): RenewalFrame | null {
  // Few messages are renewals, so this check must be cheap.
  if (data[0] !== BRACE && !BLANKS.has(data[0])) return null;
  if (data.length > RENEWAL_BYTES_MAX) return LARGE.test(data.toString('latin1', 0, OPENING)) ? plain(null) : null;
  if (!data.includes(EVENT) && !data.includes('\\u')) return null;
  const value = parsed(data.toString());
  if (typeof value !== 'object' || value === null || (value as { event?: unknown }).event !== EVENT) return null;
  return plain(tokenOf((value as { data?: unknown }).data));
}

function plain(token: string | null): RenewalFrame {
  return {
    token,
    accepted: (expiresAt) =>
      JSON.stringify({ event: 'authenticated', ...(expiresAt === null ? {} : { data: { expiresAt } }) }),
    refused: (code) => JSON.stringify({ event: 'error', data: { code } }),
  };
}

// Engine.IO message (4), Socket.IO event (2), no namespace, an acknowledgement id or none, the arguments.
const SOCKET_IO_EVENT = /^42(\d{0,15})(\[.*)$/s;
const SOCKET_IO_LARGE = /^42\d{0,15}\[\s*"authenticate"/;

/**
 * Reads the event `authenticate` with `{ token }` of the main namespace of Socket.IO 4. Returns null for any other
 * message.
 */
export function readSocketIoRenewal(data: Buffer): RenewalFrame | null {
  if (data[0] !== 0x34 || data[1] !== 0x32) return null;
  const opening = data.toString('latin1', 0, OPENING);
  if (data.length > RENEWAL_BYTES_MAX) {
    return SOCKET_IO_LARGE.test(opening) ? socketIo(null, /^42(\d*)/.exec(opening)?.[1] ?? '') : null;
  }
  if (!data.includes(EVENT) && !data.includes('\\u')) return null;
  const match = SOCKET_IO_EVENT.exec(data.toString());
  const value = match ? parsed(match[2] ?? '') : null;
  return Array.isArray(value) && value[0] === EVENT ? socketIo(tokenOf(value[1]), match?.[1] ?? '') : null;
}

function socketIo(token: string | null, acknowledgement: string): RenewalFrame {
  const answer = (event: string, data: object) =>
    acknowledgement === ''
      ? `42${JSON.stringify([event, data])}`
      : `43${acknowledgement}${JSON.stringify([{ event, data }])}`;
  return {
    token,
    accepted: (expiresAt) => answer('authenticated', { expiresAt }),
    refused: (code) => answer('error', { code }),
  };
}

function tokenOf(data: unknown): string | null {
  const token = typeof data === 'object' && data !== null ? (data as { token?: unknown }).token : undefined;
  return typeof token === 'string' && token !== '' ? token : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Engine.IO message (4), Socket.IO binary event (5) or acknowledgement (6), the number of binary messages that follow.
const WITH_ATTACHMENTS = /^4[56](\d{1,6})-/;

/**
 * Follows the messages of the upstream, and decides whether the sidecar may send a message in between. The sidecar must
 * not do so between a Socket.IO message and the binary messages that belong to that message.
 */
export function createGap(): { passed(data: Buffer, isBinary: boolean): void; isOpen(): boolean } {
  let awaited = 0;
  return {
    passed(data, isBinary) {
      if (isBinary) awaited = Math.max(0, awaited - 1);
      else if (data[0] === 0x34) awaited = Number(WITH_ATTACHMENTS.exec(data.toString('latin1', 0, 16))?.[1] ?? 0);
    },
    isOpen: () => awaited === 0,
  };
}
