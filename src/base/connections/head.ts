// The checks of a request's head that Node does not do. When certain headers are repeated, Node keeps only the first
// one and reports nothing, while a proxy in front may have read another one.
import type { IncomingMessage } from 'node:http';
import { isHost } from '../../protocol/host.ts';
import { type Problem, problem } from '../errors/problem.ts';

const FIELDS_MAX = 100;

/** The headers that have one value, spelled as refusals name them. A request may have each of them at most once. */
const SINGLE = new Map(
  [
    'Authorization',
    'Content-Encoding',
    'Content-Length',
    'Content-Type',
    'Host',
    'Idempotency-Key',
    'If-Match',
    'Last-Event-ID',
    'Origin',
    'Sec-Fetch-Site',
    'User-Agent',
    'X-Organization-Slug',
    'X-Tenant-ID',
  ].map((name) => [name.toLowerCase(), name]),
);

/** The last valid host. Almost every request has the same host. */
let lastHost: string | undefined;

/**
 * Returns the refusal of a head that has too many headers, or that two readers could understand differently. Returns
 * null for any other head.
 */
export function judgeHead({ headers, rawHeaders, httpVersion }: IncomingMessage): Problem | null {
  if (rawHeaders.length > 2 * FIELDS_MAX) {
    return problem('headers_too_large', { detail: `Send at most ${FIELDS_MAX} headers.` });
  }
  const repeated = repeatedField(headers, rawHeaders);
  if (repeated !== null) return problem('bad_request', { detail: `Send one ${repeated} header.` });
  // RFC 9112 §3.2 requires a 400 answer. Node would send it without a body, or not at all.
  const { host } = headers;
  if (host === undefined && httpVersion !== '1.0') return problem('bad_request', { detail: 'Send a Host header.' });
  if (host === undefined || host === lastHost) return null;
  if (isHost(host)) {
    lastHost = host;
    return null;
  }
  return problem('bad_request', { detail: 'The Host header must be a host, with or without a port.' });
}

function repeatedField(headers: IncomingMessage['headers'], rawHeaders: readonly string[]): string | null {
  // Every name is one key, so no field is repeated if there are as many keys as fields.
  if (Object.keys(headers).length * 2 === rawHeaders.length) return null;
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    const single = SINGLE.get(name);
    if (single !== undefined && seen.has(name)) return single;
    seen.add(name);
  }
  return null;
}
