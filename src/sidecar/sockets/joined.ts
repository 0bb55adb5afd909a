// An open connection of a client to the upstream: joined sockets that live as long as the token, and the renewal of the
// token by a message of the client.
import type { WebSocket } from 'ws';
import { type Admission, idsOf, type OpenSocket, type Parts } from '../core/parts.ts';
import { type BridgeEnd, bridge } from './bridge.ts';
import { createRenewalLimit, judgeRenewal } from './renew.ts';
import { createGap, type RenewalFrame, readPlainRenewal, readSocketIoRenewal } from './renewal-frame.ts';

/** The close code of a socket whose token has expired or has been revoked. The reason is the code of the error. */
export const CLOSE_UNAUTHENTICATED = 4401;

/** How many answers to renewals may wait until a message of the upstream is complete. */
const WAITING_MAX = 100;

export interface Connection {
  readonly client: WebSocket;
  /** The socket is paused until it is joined. */
  readonly upstream: WebSocket;
  readonly admission: Admission;
  readonly isSocketIo: boolean;
  readonly requestId: string;
  /** The path of the request, without the query. */
  readonly path: string;
}

/** Joins the sockets. After that, the caller need not end the connection or clean up. */
export function join(parts: Parts, connection: Connection): void {
  const { client, upstream, admission, isSocketIo } = connection;
  const { verifier, now, log } = parts;
  const { live } = admission;
  const about = { requestId: connection.requestId, path: connection.path, ...idsOf(live.principal()) };
  const since = now();
  const isWithinLimit = createRenewalLimit(now);
  const gap = createGap();
  const answers: string[] = [];

  const link = bridge(client, upstream, parts, {
    fromClient(data, isBinary) {
      if (isOver()) return false;
      const frame = isBinary ? null : isSocketIo ? readSocketIoRenewal(data) : readPlainRenewal(data);
      if (frame) void renew(frame);
      return frame === null;
    },
    fromUpstream: () => !isOver(),
    sentToClient(data, isBinary) {
      if (!isSocketIo) return;
      gap.passed(data, isBinary);
      sendAnswers();
    },
    onClosed,
  });

  // The token is judged at each message, because the timer may be late.
  function isOver(): boolean {
    const code = live.judge();
    if (code) admission.end(code);
    return code !== null;
  }

  function answer(text: string): void {
    if (answers.length < WAITING_MAX) answers.push(text);
    sendAnswers();
  }

  function sendAnswers(): void {
    while (answers.length > 0 && gap.isOpen()) link.sendToClient(answers.shift() ?? '');
  }

  async function renew(frame: RenewalFrame): Promise<void> {
    if (!isWithinLimit()) {
      answer(frame.refused('too_many_requests'));
      return;
    }
    try {
      const held = live.principal();
      const renewal = await judgeRenewal(verifier, held, frame.token, now);
      if (admission.ended()) return;
      // Another renewal may have succeeded in the meantime.
      const isLate = live.principal() !== held && live.principal().expiresAt > held.expiresAt;
      if (!renewal.isRenewed) answer(frame.refused(renewal.code));
      else if (isLate && renewal.principal.expiresAt < live.principal().expiresAt) answer(frame.refused('token_older'));
      else {
        live.renew(renewal.principal);
        if (isOver()) return;
        answer(frame.accepted(new Date(renewal.principal.expiresAt * 1000).toISOString()));
      }
    } catch (error) {
      log.error({ err: error, ...about }, 'a renewal failed');
      answer(frame.refused('internal_error'));
    }
  }

  function onClosed(end: BridgeEnd): void {
    admission.release();
    parts.open.delete(socket);
    log.info({ ...about, ...end, durationMs: now() - since }, 'socket closed');
  }

  const socket: OpenSocket = { close: link.close, beat: link.beat };
  parts.open.add(socket);
  admission.onEnd((code) => link.close(CLOSE_UNAUTHENTICATED, code));
  log.info(about, 'socket opened');
  const code = admission.ended();
  if (code) link.close(CLOSE_UNAUTHENTICATED, code);
  upstream.resume();
}
