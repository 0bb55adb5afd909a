// Answers the requests that the framework never gets. They are malformed, have headers that are too large or never end,
// have an unknown expectation, or request a tunnel. The answers have the same headers and the same form of body as
// other refusals.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Problem, type ProblemCode, problem } from '../errors/problem.ts';
import { PROBLEM_TYPE, problemBody } from '../errors/problem-body.ts';
import { systemClock } from '../platform/clock.ts';
import type { Connection, Connections } from './connections.ts';

const CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};
/** How long a peer has to read an answer before its connection is closed. */
const ANSWER_MS = 2_000;

export interface HandWritten {
  /** Handles Node's 'clientError'. The framework has no request to reply to, so the answer is written to the socket. */
  answerBroken(error: Error & { code?: string }, socket: Duplex): void;
}

/**
 * Returns the function for 'clientError', and listens to the other events after which no route gets the request.
 * `headers` are added to each answer. `unknownRoute` returns the problem that answers a CONNECT request.
 */
export function answerByHand(
  server: Server,
  connections: Connections,
  headers: Readonly<Record<string, string>>,
  unknownRoute: (target: string) => Problem,
): HandWritten {
  const fieldsOf = (thrown: Problem, requestId: string) => ({
    ...headers,
    'content-type': PROBLEM_TYPE,
    ...thrown.extras.headers,
    'x-request-id': requestId,
    connection: 'close',
  });

  function endWith(socket: Duplex, thrown: Problem): void {
    if (!socket.writable) return;
    const requestId = randomUUID();
    const body = JSON.stringify(problemBody(thrown, requestId));
    const fields = {
      ...fieldsOf(thrown, requestId),
      'content-length': String(Buffer.byteLength(body)),
      date: systemClock.now().toUTCString(),
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`HTTP/1.1 ${thrown.status} ${problemBody(thrown, requestId).title}\r\n${lines.join('')}\r\n${body}`);
    closeGently(socket);
  }

  /** Writes the answer after the answers to all earlier requests. */
  function endInOrder(connection: Connection | undefined, socket: Duplex, thrown: Problem): void {
    if (!connection) {
      endWith(socket, thrown);
      return;
    }
    connection.isBroken = true;
    const { latest } = connection;
    if (latest === null || latest.request.complete) {
      connection.whenUnanswered(0, () => endWith(socket, thrown));
      return;
    }
    // The bad bytes belong to the body of the last request. If that request already has its own answer, it gets no
    // second one.
    const isAnswered = () => latest.response.headersSent;
    connection.whenUnanswered(isAnswered() ? 0 : 1, () =>
      isAnswered() ? closeGently(socket) : endWith(socket, thrown),
    );
  }

  // Without a listener, Node closes the socket and sends no answer. The service never opens a tunnel.
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => socket.destroy());
    endInOrder(connections.of(socket), socket, unknownRoute(request.url ?? ''));
  });
  // An Expect header other than 100-continue (RFC 9110 §10.1.1). Without a listener, Node answers without a body.
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const thrown = problem('expectation_failed');
    const requestId = randomUUID();
    response.writeHead(thrown.status, fieldsOf(thrown, requestId));
    response.end(JSON.stringify(problemBody(thrown, requestId)));
  });
  return {
    answerBroken(error, socket) {
      const connection = connections.of(socket);
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      // Node may report the same connection again when further bytes arrive.
      else if (!connection?.isBroken) endInOrder(connection, socket, problem(CODES[error.code ?? ''] ?? 'bad_request'));
    },
  };
}

/** Ends a connection. Further input is dropped for a short time, because closing at once could lose the answer. */
function closeGently(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.end();
  socket.resume();
}
