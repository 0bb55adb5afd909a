// Sockets that are opened without a token, for clients that can send it only in a message. The first message must
// contain the token, within a time and size limit. Nothing reaches the upstream before the token has been verified.
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { VerificationError } from '../../verifier/core/error.ts';
import { type Admission, admit, enter, type OpenSocket, type Parts } from '../core/parts.ts';
import { codeOf, Refusal } from '../core/problems.ts';
import { pathOf } from '../http/query.ts';
import { assertOwnTenant, tenantsOf } from '../http/tenant.ts';
import { CLOSE_BAD_GATEWAY, CLOSE_TRY_AGAIN } from '../sockets/bridge.ts';
import { CLOSE_UNAUTHENTICATED, join } from '../sockets/joined.ts';
import { RENEWAL_BYTES_MAX, type RenewalFrame, readPlainRenewal } from '../sockets/renewal-frame.ts';
import type { Slot } from '../sockets/slots.ts';
import { type Asked, dialFor, isSocketIo, outcomeOf } from './connect.ts';
import type { Dialled } from './dial.ts';
import { offeredUpstream, selectedOtherwise, type UpgradeRequest } from './request.ts';

// Room for the first message with its framing, and for further messages that the client may send before the upstream is
// connected.
const BYTES_MAX = RENEWAL_BYTES_MAX + 1024;
const CLOSE_MILLISECONDS = 3_000;

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** A socket that waits for its token. */
interface Waiting {
  readonly client: WebSocket;
  /**
   * Resolves with the first message, or with null if none came in time, if too many bytes came, or if the socket ended.
   */
  readonly first: Promise<Message | null>;
  /** Messages after the first one. */
  readonly early: Message[];
  /** Stops counting bytes and collecting messages. */
  stop(): void;
}

/** Opens the socket and waits for the first message. Raises Refusal while an HTTP answer is still possible. */
export async function waitForFirstMessage(parts: Parts, upgrade: UpgradeRequest): Promise<void> {
  const { request, socket, early, head } = upgrade;
  tenantsOf(head); // headers that no token can match are refused while an HTTP answer is possible
  const slot = enter(parts.sockets);
  const waitingSlot = parts.waiting.enter();
  if (!waitingSlot) {
    slot.leave();
    throw new Refusal('sidecar_full');
  }
  // The client gets its answer before the upstream is contacted. The upstream is later offered the selected protocol
  // only.
  const protocol = offeredUpstream(upgrade)[0] ?? null;
  const selected = protocol ?? selectedOtherwise(upgrade);
  const client = parts.handshakes.complete(request, socket, early, { protocol: selected, headers: [] });
  if (!client) {
    slot.leave();
    waitingSlot.leave();
    return;
  }
  const open: OpenSocket = { close: (code, reason) => closeClient(client, code, reason), beat: () => {} };
  parts.open.add(open);
  client.once('close', () => {
    waitingSlot.leave();
    parts.open.delete(open);
  });
  const waiting = listen(client, socket, parts.settings.firstMessageSeconds);
  const message = await waiting.first;
  client.pause();
  waitingSlot.leave();
  const frame = message && !message.isBinary ? readPlainRenewal(message.data) : null;
  try {
    await authenticate(parts, upgrade, waiting, frame, slot, protocol);
  } catch (error) {
    slot.leave();
    fail(parts, upgrade, client, frame, error);
  }
  parts.open.delete(open);
}

function listen(client: WebSocket, socket: Duplex, seconds: number): Waiting {
  const { promise: first, resolve } = Promise.withResolvers<Message | null>();
  const early: Message[] = [];
  let bytes = 0;
  let isFirst = true;
  const timer = setTimeout(() => resolve(null), seconds * 1000);
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= BYTES_MAX) return;
    resolve(null);
    // The limit also applies while the upstream is being connected, so that a client cannot fill the memory in that
    // time.
    client.terminate();
  };
  const keep = (data: unknown, isBinary: boolean) => {
    const message = { data: data as Buffer, isBinary };
    if (isFirst) resolve(message);
    else early.push(message);
    isFirst = false;
  };
  socket.on('data', count);
  client.on('message', keep);
  client.on('error', () => resolve(null));
  client.once('close', () => resolve(null));
  void first.then(() => clearTimeout(timer));
  return {
    client,
    first,
    early,
    stop() {
      socket.off('data', count);
      client.off('message', keep);
    },
  };
}

async function authenticate(
  parts: Parts,
  { request, socket, head, presented, requestId }: UpgradeRequest,
  { client, early, stop }: Waiting,
  frame: RenewalFrame | null,
  slot: Slot,
  protocol: string | null,
): Promise<void> {
  if (!frame) throw new VerificationError('unauthenticated');
  if (frame.token === null) throw new VerificationError('invalid_token');
  const principal = await parts.verifier.verify(frame.token);
  assertOwnTenant(head, principal);
  const admission = admit(parts, principal, slot);
  client.send(frame.accepted(null));
  const { target, cookie } = presented;
  const peerAddress = request.socket.remoteAddress;
  const asked: Asked = { head, admission, token: frame.token, target, cookie, requestId, peerAddress };
  const begin = () => dialFor(parts, asked, protocol === null ? [] : [protocol]);
  const dialled = await outcomeOf(parts, admission, begin, socket);
  const upstream = upstreamOf(dialled, protocol, admission);
  stop();
  const path = pathOf(head.target);
  join(parts, { client, upstream, admission, isSocketIo: isSocketIo(head.target), requestId, path });
  // resume() delivers bytes only after this turn of the event loop. An early message may pause the client again.
  client.resume();
  for (const { data, isBinary } of early) client.emit('message', data, isBinary);
}

function upstreamOf(dialled: Dialled, protocol: string | null, admission: Admission): WebSocket {
  if (dialled.kind === 'open' && dialled.protocol === protocol) return dialled.socket;
  if (dialled.kind === 'open') dialled.socket.terminate();
  else dialled.response.destroy();
  admission.release();
  throw new Refusal('upstream_unavailable');
}

/**
 * Sends the reason and closes: 4401 if another token helps, 1013 if a later attempt helps, 1014 if the upstream failed.
 */
function fail(
  parts: Parts,
  { requestId, head }: UpgradeRequest,
  client: WebSocket,
  frame: RenewalFrame | null,
  error: unknown,
): void {
  const reason = codeOf(error);
  const isTenant = reason === 'tenant_mismatch' || reason === 'bad_request';
  const isToken = isTenant || (error instanceof VerificationError && error.status !== 503);
  const isUpstream = error instanceof Refusal && reason.startsWith('upstream_');
  const code = isToken ? CLOSE_UNAUTHENTICATED : isUpstream ? CLOSE_BAD_GATEWAY : CLOSE_TRY_AGAIN;
  const text = frame?.refused(reason) ?? JSON.stringify({ event: 'error', data: { code: reason } });
  if (client.readyState === client.OPEN) client.send(text);
  closeClient(client, code, reason);
  const err = reason === 'internal_error' ? { err: error } : {};
  parts.log.info({ requestId, path: pathOf(head.target), code: reason, ...err }, 'socket refused');
}

function closeClient(client: WebSocket, code: number, reason: string): void {
  client.resume();
  client.close(code, reason);
  setTimeout(() => client.terminate(), CLOSE_MILLISECONDS).unref();
}
