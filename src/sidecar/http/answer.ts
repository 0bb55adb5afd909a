// Writes refusals: as the answer to a request, on the bare connection of an upgrade, and to what was no request at all.
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PROBLEM_TYPE } from '../../verifier/adapters/refusal.ts';
import { type HttpRefusal, httpRefusal, Refusal, type RefusalCode } from '../core/problems.ts';

// How long a peer has to take the answer before its connection is cut.
const ANSWER_MILLISECONDS = 2_000;

/** Answers with the refusal; when the body of the request was not read the connection is closed. */
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
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(refusal.body),
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...refusal.headers,
    // What is left of a body must not be read as the next request.
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

// A connection that is closed while its peer still sends is reset, and the answer may be lost with it.
const LINGER_MILLISECONDS = 500;
const LINGER_BYTES = 1_048_576;

/** Ends an answer once the rest of the request has come and gone, or a little later all the same. */
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

/** A response on the connection of an upgrade request, which closes it at its end; null when there was one already. */
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

/** Ends a connection; what still comes is dropped, so that the answer is not lost to a reset. */
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
 * Node's 'clientError': what came was no request, so the answer is written by hand; but not beside one that is still owed
 * to an earlier request, which then is the last.
 */
export function answerBrokenConnection(error: Error & { code?: string }, socket: Duplex, isOwed: boolean): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else if (isOwed) cutLater(socket);
  else endByHand(socket, new Refusal(BROKEN[error.code ?? ''] ?? 'bad_request'));
}

/** Node's 'connect': no tunnel is ever opened. */
export function refuseTunnel(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  endByHand(socket, new Refusal('method_not_allowed'));
}

function endByHand(socket: Duplex, thrown: Refusal): void {
  const requestId = randomUUID();
  const { status, headers, body } = httpRefusal(thrown, requestId);
  const fields = {
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    ...headers,
    connection: 'close',
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`);
  closeGently(socket);
}
