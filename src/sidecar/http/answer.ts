// Writes refusals: as the answer to a request, on the raw connection of an upgrade, and for bytes that were not a
// request.
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE } from '../../verifier/adapters/refusal.ts';
import { type HttpRefusal, httpRefusal, Refusal, type RefusalCode } from '../core/problems.ts';

// How long a peer has to read the answer before its connection is closed.
const ANSWER_MILLISECONDS = 2_000;

/**
 * The headers of every answer that is the sidecar's own. A browser must not load anything for such an answer, frame it
 * or guess its type.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Answers with the refusal. If the body of the request has not been read, the connection is closed. */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  thrown: unknown,
  requestId: string,
  more: Readonly<Record<string, string>> = {},
): HttpRefusal {
  const refusal = httpRefusal(thrown, requestId);
  const isUnread = hasUnreadBody(request);
  response.writeHead(refusal.status, {
    ...SECURITY_HEADERS,
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(refusal.body),
    'x-request-id': requestId,
    ...refusal.headers,
    // The rest of a body must not be read as the next request.
    ...(isUnread ? { connection: 'close' } : {}),
    ...more,
  });
  if (request.method !== 'HEAD') response.write(refusal.body);
  if (isUnread) endAfterBody(request, response);
  else response.end();
  return refusal;
}

function hasUnreadBody({ headers, complete }: IncomingMessage): boolean {
  if (complete) return false;
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

// Closing a connection while the peer still sends resets the connection, and the answer may be lost.
const LINGER_MILLISECONDS = 500;
const LINGER_BYTES = 1_048_576;

/**
 * Ends an answer once the rest of the request has been received and dropped, or after a short time or 1 MiB at the
 * latest.
 */
export function endAfterBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete || request.destroyed) {
    response.end();
    return;
  }
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MILLISECONDS);
  let bytes = 0;
  request.unpipe();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LINGER_BYTES) end();
  });
  request.once('end', end);
  request.once('close', end);
  request.resume();
}

const responded = new WeakSet<Duplex>();

/**
 * A response on the connection of an upgrade request. The end of the response closes the connection. Returns null if
 * the connection already has a response.
 */
export function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse | null {
  if (responded.has(socket)) return null;
  responded.add(socket);
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0]);
  response.once('finish', () => {
    response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
    closeGently(socket);
  });
  return response;
}

/** Ends a connection. Further input is read and dropped, so that a reset does not lose the answer. */
function closeGently(socket: Duplex): void {
  cutLater(socket);
  socket.end();
  socket.resume();
}

function cutLater(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), ANSWER_MILLISECONDS).unref();
  socket.once('close', () => clearTimeout(timer));
}

const BROKEN: Readonly<Record<string, RefusalCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};
const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/**
 * Handles Node's 'clientError'. The input was not a request, so the answer is written by hand. With `isAnswered` the
 * client already has the answer to the request that the input belongs to, and gets no second one.
 */
export function answerBrokenConnection(
  error: Error & { code?: string },
  socket: Duplex,
  { isAnswered, now }: { readonly isAnswered: boolean; readonly now: number },
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (isAnswered) closeGently(socket);
  else endByHand(socket, new Refusal(BROKEN[error.code ?? ''] ?? 'bad_request'), now);
}

/** Handles Node's 'connect': no tunnel is ever opened. */
export function refuseTunnel(socket: Duplex, now: number): void {
  socket.on('error', () => socket.destroy());
  endByHand(socket, new Refusal('method_not_allowed'), now);
}

function endByHand(socket: Duplex, thrown: Refusal, now: number): void {
  const requestId = randomUUID();
  const { status, headers, body } = httpRefusal(thrown, requestId);
  const fields = {
    ...SECURITY_HEADERS,
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    date: new Date(now).toUTCString(),
    ...headers,
    connection: 'close',
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`);
  closeGently(socket);
}
