// Requests to the upstream for an admitted principal.
import type { Duplex } from 'node:stream';
import { VerificationError } from '../../verifier/core/error.ts';
import type { Admission, Parts } from '../core/parts.ts';
import { Refusal } from '../core/problems.ts';
import type { Head } from '../http/head.ts';
import { takeParameter } from '../http/query.ts';
import { type UpstreamHeaders, upstreamHeaders } from '../http/upstream-headers.ts';
import { type Dial, type Dialled, dial } from './dial.ts';

export interface Asked {
  readonly head: Head;
  readonly admission: Admission;
  readonly token: string;
  /** The target for the upstream. */
  readonly target: string;
  readonly cookie: string | null;
  readonly requestId: string;
  readonly peerAddress: string | undefined;
}

/** The headers that the upstream gets for a request. */
export function headersFor({ settings, isTrustedPeer }: Parts, asked: Asked): UpstreamHeaders {
  const { admission, token, peerAddress } = asked;
  return upstreamHeaders({
    ...asked,
    principal: admission.live.principal(),
    token: settings.forwardToken ? token : null,
    isTrustedPeer: isTrustedPeer(peerAddress),
    upstreamHost: settings.upstream.host,
  });
}

/** Begins to open the WebSocket connection to the upstream. */
export function dialFor(parts: Parts, asked: Asked, protocols: readonly string[]): Dial {
  const { upstream, messageBytesMax, handshakeSeconds } = parts.settings;
  const headers = headersFor(parts, asked);
  return dial({ upstream, target: asked.target, headers, protocols, messageBytesMax, seconds: handshakeSeconds });
}

/**
 * Dials and returns the result. Gives up if the client disconnects or its token ends. Releases the slot before it
 * raises an error.
 */
export async function outcomeOf(
  parts: Parts,
  admission: Admission,
  begin: () => Dial,
  socket: Duplex,
): Promise<Dialled> {
  let dialling: Dial | undefined;
  const abort = () => dialling?.abort();
  admission.onEnd(abort);
  socket.once('close', abort);
  try {
    dialling = begin();
    // If the socket is already closed, no 'close' event follows.
    if (socket.destroyed) abort();
    const dialled = await dialling.outcome;
    if (parts.isDraining()) {
      abort();
      throw new Refusal('shutting_down');
    }
    return dialled;
  } catch (error) {
    admission.release();
    const ended = admission.ended();
    throw ended ? new VerificationError(ended) : error;
  } finally {
    socket.off('close', abort);
  }
}

/** Whether a target is of Socket.IO with version 4 of Engine.IO, which names its version in the query. */
export function isSocketIo(target: string): boolean {
  return takeParameter(target, 'EIO').values.includes('4');
}
