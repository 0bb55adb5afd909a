// Handles a request for a WebSocket connection. The token is verified, then the upstream is connected, and only then
// does the client get the 101 answer. first-message.ts handles a request without a token.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { VerificationError } from '../../verifier/core/error.ts';
import { admit, enter, type Parts } from '../core/parts.ts';
import { Refusal } from '../core/problems.ts';
import { refuse, responseOn } from '../http/answer.ts';
import { allowOrigin } from '../http/cors.ts';
import { assertOrigin, takeToken } from '../http/credentials.ts';
import { type Head, headOf } from '../http/head.ts';
import { pathOf } from '../http/query.ts';
import { assertOwnTenant } from '../http/tenant.ts';
import { endToEnd, requestIdOf } from '../http/upstream-headers.ts';
import { join } from '../sockets/joined.ts';
import { type Asked, dialFor, isSocketIo, outcomeOf } from './connect.ts';
import type { Dialled } from './dial.ts';
import { waitForFirstMessage } from './first-message.ts';
import { assertWebSocketRequest } from './handshake.ts';
import { offeredUpstream, selectedOtherwise, type UpgradeRequest } from './request.ts';

/** Answers Node's 'upgrade'. An error becomes a refusal. */
export async function acceptUpgrade(
  parts: Parts,
  request: IncomingMessage,
  socket: Duplex,
  early: Buffer,
): Promise<void> {
  let head: Head | undefined;
  let requestId: string = randomUUID();
  // Until the handshake the socket has no other listener, and an error without a listener ends the process.
  socket.on('error', () => socket.destroy());
  try {
    head = headOf(request);
    requestId = requestIdOf(head, () => requestId);
    assertWebSocketRequest(request, head);
    if (parts.isDraining()) throw new Refusal('shutting_down');
    const presented = takeToken(head, parts.settings, true);
    assertOrigin(head, presented.place, parts.settings.allowedOrigins);
    const upgrade = { request, socket, early, head, presented, requestId };
    if (presented.token !== null) await connect(parts, upgrade, presented.token);
    else if (parts.settings.firstMessage) await waitForFirstMessage(parts, upgrade);
    else throw new VerificationError('unauthenticated');
  } catch (error) {
    if (socket.destroyed || !socket.writable) return;
    const response = responseOn(request, socket);
    if (!response) return void socket.destroy(); // the connection already has an answer
    const { status, code } = refuse(request, response, error, requestId, allowOrigin(head, parts.settings));
    parts.log.info(
      { requestId, path: pathOf(request.url ?? ''), status, code, ...cause(error, status) },
      'socket refused',
    );
  }
}

function cause(error: unknown, status: number): object {
  if (status < 500 || error instanceof VerificationError) return {};
  return { err: error instanceof Error && error.cause instanceof Error ? error.cause : error };
}

async function connect(parts: Parts, upgrade: UpgradeRequest, token: string): Promise<void> {
  const { request, socket, head, presented, requestId } = upgrade;
  const principal = await parts.verifier.verify(token);
  if (socket.destroyed) return;
  assertOwnTenant(head, principal);
  const admission = admit(parts, principal, enter(parts.sockets));
  const { target, cookie } = presented;
  const asked: Asked = { head, admission, token, target, cookie, requestId, peerAddress: request.socket.remoteAddress };
  const ahead = readAhead(socket, upgrade.early);
  const begin = () => dialFor(parts, asked, offeredUpstream(upgrade));
  const dialled = await outcomeOf(parts, admission, begin, socket).finally(ahead.stop);
  const early = ahead.bytes();
  if (dialled.kind === 'answered') {
    relay(parts, upgrade, dialled, () => admission.release());
    return;
  }
  const selected = dialled.protocol ?? selectedOtherwise(upgrade);
  const client = parts.handshakes.complete(request, socket, early, { protocol: selected, headers: dialled.headers });
  if (!client) {
    dialled.socket.terminate();
    admission.release();
    return;
  }
  const path = pathOf(head.target);
  join(parts, { client, upstream: dialled.socket, admission, isSocketIo: isSocketIo(head.target), requestId, path });
}

const AHEAD_BYTES_MAX = 65_536;

/** Reads from the client while the upstream is being connected, to notice a disconnect. Keeps the bytes for later. */
function readAhead(socket: Duplex, early: Buffer): { stop(): void; bytes(): Buffer } {
  const chunks = [early];
  let bytes = early.length;
  const keep = (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > AHEAD_BYTES_MAX) socket.pause();
  };
  const leave = () => socket.destroy();
  socket.on('data', keep);
  socket.once('end', leave);
  return {
    stop() {
      socket.off('data', keep);
      socket.off('end', leave);
      socket.pause();
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** Passes on the upstream's answer to a handshake that it did not accept. */
function relay(
  { settings }: Parts,
  { request, socket }: UpgradeRequest,
  { response: answer }: Extract<Dialled, { kind: 'answered' }>,
  done: () => void,
): void {
  const end = (error?: unknown) => {
    done();
    answer.destroy();
    if (error) socket.destroy();
  };
  try {
    const response = responseOn(request, socket);
    if (!response) throw new Error('an answer has begun already');
    answer.setTimeout(settings.upstreamSeconds * 1000, () => answer.destroy());
    response.writeHead(answer.statusCode ?? 502, endToEnd(answer.rawHeaders).flat());
    pipeline(answer, response, end);
  } catch (error) {
    end(error); // for headers that Node refuses to write
  }
}
