// Answers requests that never reach a route. These have headers that are too large, are malformed, never end, have an
// unknown expectation, or ask for a tunnel.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Problem, type ProblemCode, problem } from '../errors/problem.ts';
import { PROBLEM_TYPE, problemBody } from './problems.ts';

const CODES: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/**
 * Handles Node's 'clientError'. Fastify has no request to reply to, so the answer is written to the socket. Then the
 * socket is closed.
 */
export function answerBrokenConnection(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  endWith(socket, problem(CODES[error.code ?? ''] ?? 'bad_request'));
}

/**
 * Handles Node's 'connect'. Without a listener, Node closes the socket and sends no answer. The service never opens a
 * tunnel.
 */
export function answerTunnel(thrown: Problem, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  endWith(socket, thrown);
}

function endWith(socket: Duplex, thrown: Problem): void {
  const requestId = randomUUID();
  const body = JSON.stringify(problemBody(thrown, requestId));
  const head = [
    `HTTP/1.1 ${thrown.status} ${problemBody(thrown, requestId).title}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `X-Request-ID: ${requestId}`,
    ...(thrown.extras.headers?.allow === undefined ? [] : [`Allow: ${thrown.extras.headers.allow}`]),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/**
 * Handles Node's 'checkExpectation', which is an Expect header other than 100-continue (RFC 9110 §10.1.1). Without a
 * listener, Node answers without a body.
 */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const thrown = problem('expectation_failed');
  const requestId = randomUUID();
  response.writeHead(thrown.status, {
    'content-type': PROBLEM_TYPE,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    connection: 'close',
  });
  response.end(JSON.stringify(problemBody(thrown, requestId)));
}
