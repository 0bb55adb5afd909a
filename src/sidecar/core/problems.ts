// The refusals of the sidecar: codes, statuses and texts. As an HTTP answer, a refusal becomes problem details (RFC
// 9457) in the shape of the service's own. A refusal of the verifier keeps its code.

import { refusalOf } from '../../verifier/adapters/refusal.ts';
import { VerificationError } from '../../verifier/core/error.ts';

interface Kind {
  readonly status: number;
  readonly title: string;
  /** What is wrong, or what to do next. */
  readonly detail: string;
}

const KINDS = {
  bad_request: {
    status: 400,
    title: 'Bad request',
    detail: 'The request cannot be understood: check its headers and path.',
  },
  invalid_request: {
    status: 400,
    title: 'More than one token',
    detail: 'The request has more than one token: send one token in one place.',
  },
  upgrade_refused: {
    status: 400,
    title: 'Upgrade refused',
    detail: 'Only the upgrade to a websocket is offered here.',
  },
  cross_site_request: {
    status: 403,
    title: 'Cross-site request',
    detail: 'This origin is not allowed here: call from one of the allowed ones.',
  },
  tenant_mismatch: {
    status: 403,
    title: 'Other organization',
    detail:
      'The header names an organization, but the token does not act for it: leave the header out, or switch the organization first.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'This method is not offered: use another one.',
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    detail: 'The request did not arrive in time: send it again.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    detail: 'Send the request without the Expect header.',
  },
  websocket_version: { status: 426, title: 'Other websocket version', detail: 'Send Sec-WebSocket-Version: 13.' },
  too_many_sockets: {
    status: 429,
    title: 'Too many connections',
    detail: 'You have the maximum number of open connections: close one first.',
  },
  headers_too_large: {
    status: 431,
    title: 'Headers too large',
    detail: 'The request headers are too large: send less.',
  },
  internal_error: { status: 500, title: 'Internal error', detail: 'Something went wrong here: try again.' },
  upstream_unavailable: {
    status: 502,
    title: 'Upstream unavailable',
    detail: 'The service behind this address does not answer: try again in a moment.',
  },
  sidecar_full: {
    status: 503,
    title: 'Full',
    detail: 'The maximum number of connections is open: try again in a moment.',
  },
  shutting_down: { status: 503, title: 'Shutting down', detail: 'This process is about to end: connect again.' },
  upstream_timeout: {
    status: 504,
    title: 'Upstream timeout',
    detail: 'The service behind this address did not answer in time: try again in a moment.',
  },
} as const satisfies Record<string, Kind>;

export type RefusalCode = keyof typeof KINDS;

/** A refusal of the sidecar itself. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: RefusalCode;
  readonly headers: Readonly<Record<string, string>>;
  constructor(code: RefusalCode, headers: Readonly<Record<string, string>> = {}, detail: string = KINDS[code].detail) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }
}

/** A refusal as an HTTP answer. */
export interface HttpRefusal {
  readonly status: number;
  readonly code: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

/** The answer to an error. An unexpected error becomes internal_error. */
export function httpRefusal(thrown: unknown, requestId: string): HttpRefusal {
  if (thrown instanceof VerificationError) return { ...refusalOf(thrown, requestId), code: thrown.code };
  const { code, message, headers } = thrown instanceof Refusal ? thrown : new Refusal('internal_error');
  const { status, title } = KINDS[code];
  const body = {
    type: `/problems/${code.replaceAll('_', '-')}`,
    title,
    status,
    detail: message,
    code,
    error: message,
    requestId,
  };
  return {
    status,
    code,
    headers: {
      'cache-control': 'no-store',
      // RFC 6750 §3.1
      ...(code === 'invalid_request' ? { 'www-authenticate': 'Bearer error="invalid_request"' } : {}),
      ...(status === 429 || status === 503 ? { 'retry-after': '1' } : {}),
      ...headers,
    },
    body: JSON.stringify(body),
  };
}

/** The code of a refusal, for a close frame or an answer to a message. */
export function codeOf(thrown: unknown): string {
  return thrown instanceof VerificationError || thrown instanceof Refusal ? thrown.code : 'internal_error';
}
