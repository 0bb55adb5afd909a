// The head of a request as it was sent, with every field, and the checks for every request. The `headers` of node:http
// drop or join fields that are sent twice.
import type { IncomingMessage } from 'node:http';
import { isHost } from '../../protocol/host.ts';
import { Refusal } from '../core/problems.ts';

export interface Head {
  readonly method: string;
  /** The path and query exactly as they were sent. */
  readonly target: string;
  /** Names in lower case. The values of a name are in the order in which they were sent. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

const FIELDS_MAX = 100;
// Origin form only (RFC 9112 §3.2.1), in visible ASCII. Other readers may interpret # and \ differently.
const TARGET = /^\/(?:(?![#\\])[\x21-\x7e])*$/;
const METHODS_REFUSED = new Set(['TRACE', 'TRACK', 'CONNECT']);

/**
 * Reads the head. Raises Refusal for too many headers, for a refused method, and for a request that two readers could
 * understand differently.
 */
export function headOf(request: IncomingMessage): Head {
  const { rawHeaders, method = '', url = '' } = request;
  if (rawHeaders.length > 2 * FIELDS_MAX) throw new Refusal('headers_too_large');
  const fields = new Map<string, string[]>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    const known = fields.get(name);
    if (known) known.push(value);
    else fields.set(name, [value]);
  }
  if (METHODS_REFUSED.has(method))
    throw new Refusal('method_not_allowed', { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' });
  if (!TARGET.test(url)) {
    throw new Refusal('bad_request', {}, 'Send the path alone as the target of the request, percent-encoded.');
  }
  assertOneHost(request, fields);
  // The framing is written again, which would lose any other coding. HTTP/1.0 has no codings (RFC 9112 §6.1).
  const codings = fields.get('transfer-encoding');
  if (codings && (request.httpVersion !== '1.1' || codings.join(',').trim().toLowerCase() !== 'chunked')) {
    throw new Refusal('bad_request', {}, 'Send the body as it is or chunked: no other transfer coding is known here.');
  }
  return { method, target: url, fields };
}

function assertOneHost(request: IncomingMessage, fields: Head['fields']): void {
  const hosts = fields.get('host') ?? [];
  const isOld = request.httpVersion === '1.0' && hosts.length === 0;
  // RFC 9112 §3.2
  if (isOld || (hosts.length === 1 && isHost(hosts[0] ?? ''))) return;
  throw new Refusal('bad_request', {}, 'Send one Host header.');
}

/** The one value of a field, undefined when it was not sent. Raises bad_request when it was sent more than once. */
export function only(head: Head, name: string): string | undefined {
  const values = head.fields.get(name);
  if (values && values.length > 1) throw new Refusal('bad_request', {}, `Send one ${name} header.`);
  return values?.[0];
}

/** The members of a field that is a list (RFC 9110 §5.6.1), over all its lines. */
export function listOf(head: Head, name: string): string[] {
  const values = head.fields.get(name) ?? [];
  return values.flatMap((value) => value.split(',')).flatMap((entry) => entry.trim() || []);
}
