// Plain requests. The token and the headers for the upstream are handled as for sockets, and then bytes are passed on
// in both directions. Only parsed data is passed on: each side gets new framing.
import { randomUUID } from 'node:crypto';
import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { VerificationError } from '../../verifier/core/error.ts';
import { type Admission, admit, enter, idsOf, type Parts } from '../core/parts.ts';
import { Refusal } from '../core/problems.ts';
import { heldStream } from '../sockets/hold.ts';
import { type Asked, headersFor } from '../upgrade/connect.ts';
import { isFinal } from '../upgrade/dial.ts';
import { endAfterBody, refuse } from './answer.ts';
import { allowOrigin, answerPreflight } from './cors.ts';
import { assertOrigin, takeToken } from './credentials.ts';
import { type Head, headOf } from './head.ts';
import { pathOf } from './query.ts';
import { assertOwnTenant } from './tenant.ts';
import { endToEnd, requestIdOf, type UpstreamHeaders } from './upstream-headers.ts';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: Head;
  readonly requestId: string;
}

const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS']);
// A request that began before the expiry of its token may end a little after that expiry.
const GRACE_SECONDS = 60;

/** Answers Node's 'request'. An error becomes a refusal. */
export async function passRequest(
  parts: Parts,
  agent: Agent,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const since = parts.now();
  let head: Head | undefined;
  let requestId: string = randomUUID();
  let line: object = {};
  request.on('error', () => {}); // a client that disconnects also closes the response
  response.on('error', () => {});
  response.once('close', () => {
    const { method, url = '' } = request;
    const status = response.headersSent ? response.statusCode : 499;
    parts.log.info(
      { requestId, method, path: pathOf(url), status, durationMs: parts.now() - since, ...line },
      'request',
    );
  });
  try {
    head = headOf(request);
    requestId = requestIdOf(head, () => requestId);
    if (head.fields.has('expect') && head.fields.get('expect')?.join().toLowerCase() !== '100-continue') {
      throw new Refusal('expectation_failed');
    }
    if (answerPreflight(head, response, parts.settings)) return;
    if (parts.isDraining()) response.setHeader('connection', 'close');
    const asked = await authenticated(parts, request, head, requestId);
    line = idsOf(asked.admission.live.principal());
    response.once('close', () => asked.admission.release());
    if (response.destroyed) return asked.admission.release();
    // Only now may the client send what it announced (RFC 9110 §10.1.1).
    if (head.fields.has('expect')) response.writeContinue();
    passOn(parts, agent, { request, response, head, requestId }, asked);
  } catch (error) {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const { status, code } = refuse(request, response, error, requestId, allowOrigin(head, parts.settings));
    line = { ...line, code };
    if (status === 500) parts.log.error({ err: error, requestId }, 'a request failed');
  }
}

async function authenticated(parts: Parts, request: IncomingMessage, head: Head, requestId: string): Promise<Asked> {
  const { token, place, target, cookie } = takeToken(head, parts.settings, false);
  assertOrigin(head, place, parts.settings.allowedOrigins);
  if (token === null) throw new VerificationError('unauthenticated');
  const principal = await parts.verifier.verify(token);
  assertOwnTenant(head, principal);
  const admission = admit(parts, principal, enter(parts.requests), GRACE_SECONDS);
  return { head, admission, token, target, cookie, requestId, peerAddress: request.socket.remoteAddress };
}

function passOn(parts: Parts, agent: Agent, exchange: Exchange, asked: Asked): void {
  const { request, response, head } = exchange;
  const hasBody = head.fields.has('transfer-encoding') || (head.fields.get('content-length')?.[0] ?? '0') !== '0';
  const mayRepeat = !hasBody && REPEATABLE.has(head.method);
  const headers = headersFor(parts, asked);
  let current: ClientRequest | undefined;
  const fail = (refusal: Refusal | VerificationError) => {
    current?.destroy();
    if (response.headersSent) response.destroy();
    else refuse(request, response, refusal, exchange.requestId, allowOrigin(head, parts.settings));
  };
  asked.admission.onEnd((code) => fail(new VerificationError(code)));
  // The request to the upstream also ends if the client disconnects, because the upstream must not accept a part of a
  // body as the whole body.
  response.once('close', () => current?.destroy());

  const send = (isFirst: boolean) => {
    const sent = ask(parts, agent, asked, head.method, headers);
    current = sent;
    let isLate = false;
    sent.setTimeout(parts.settings.upstreamSeconds * 1000, () => {
      isLate = true;
      sent.destroy();
      // Once the answer has begun, closing the connection is the only way to show that it is incomplete.
      if (response.headersSent) response.destroy();
    });
    const failed = (error?: NodeJS.ErrnoException) => {
      if (current !== sent || response.destroyed || response.headersSent || asked.admission.ended()) return;
      // The upstream may close a kept connection just when the sidecar uses it again.
      if (isFirst && mayRepeat && sent.reusedSocket && error?.code === 'ECONNRESET') return send(false);
      parts.log.warn({ err: error, requestId: exchange.requestId }, 'the upstream failed');
      fail(new Refusal(isLate ? 'upstream_timeout' : 'upstream_unavailable'));
    };
    sent.on('response', (answer) => {
      try {
        if (!isFinal(answer)) throw new Error(`the upstream answered with the status ${answer.statusCode}`);
        answerWith(parts, exchange, asked.admission, answer);
      } catch (error) {
        failed(error as Error); // Node also throws for headers that it reads but refuses to write
      }
    });
    sent.on('error', failed);
    // 'close' comes without 'error' if the upstream switched protocols without a request for that.
    sent.on('close', () => failed());
    if (hasBody) bodyOf(parts, request, response, () => fail(new VerificationError('revocations_stale'))).pipe(sent);
    else sent.end();
  };
  send(true);
}

function ask({ settings }: Parts, agent: Agent, asked: Asked, method: string, headers: UpstreamHeaders): ClientRequest {
  const { protocol, hostname, port } = settings.upstream;
  const make = protocol === 'https:' ? httpsRequest : httpRequest;
  const host = hostname.replace(/^\[|\]$/g, '');
  // Method and path are passed on exactly as they were checked, neither resolved nor decoded.
  return make({ agent, host, port: port || undefined, method, path: asked.target, headers });
}

// Both bodies of an exchange wait after a pause of this process, including those with a length: a length may be so
// large that the body never ends.

/** The body of a request. `late` is called if it waits for too long. */
function bodyOf({ hold }: Parts, request: IncomingMessage, response: ServerResponse, late: () => void): Readable {
  const held = heldStream(hold, late);
  response.once('close', () => held.destroy());
  return request.pipe(held);
}

function answerWith(
  { hold }: Parts,
  { request, response, requestId }: Exchange,
  admission: Admission,
  answer: IncomingMessage,
): void {
  if (response.destroyed || response.headersSent || admission.ended()) return void answer.destroy();
  const fields = endToEnd(answer.rawHeaders);
  if (!fields.some(([name]) => name.toLowerCase() === 'x-request-id')) fields.push(['x-request-id', requestId]);
  // If the answer comes before the end of the request, the rest of the request must not be read as the next request.
  if (!request.complete) fields.push(['connection', 'close']);
  // Node reads any reason phrase, but writes only printable characters.
  const reason = (answer.statusMessage ?? '').replace(/[^\t\x20-\x7e\x80-\xff]/g, '');
  response.writeHead(answer.statusCode ?? 502, reason, fields.flat());
  const held = heldStream(hold, () => response.destroy());
  pipeline([answer, held, response], { end: false }).then(
    () => endAfterBody(request, response),
    () => response.destroy(),
  );
}
