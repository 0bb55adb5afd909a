// A refusal as an HTTP answer: problem details (RFC 9457) in the shape of the service's own, the challenge of RFC 6750
// §3 and Retry-After.
import type { VerificationCode } from '../core/contract.ts';
import type { VerificationError } from '../core/error.ts';

const TITLES: Readonly<Record<VerificationCode, string>> = {
  unauthenticated: 'Not signed in',
  invalid_token: 'Invalid access token',
  token_expired: 'Access token expired',
  token_stale: 'Access token stale',
  session_revoked: 'Session ended',
  organization_suspended: 'Organization suspended',
  permission_denied: 'Permission denied',
  organization_required: 'No organization',
  keys_unavailable: 'Keys unavailable',
  revocations_stale: 'Revocations unknown',
  check_unavailable: 'Check unavailable',
};

export interface Refusal {
  readonly status: number;
  /** Names in lower case. Content-Type is not among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** The answer to a refused request. */
export function refusalOf(error: VerificationError, requestId?: string): Refusal {
  const { code, status, message, wwwAuthenticate, retryAfterSeconds } = error;
  const body = {
    type: `/problems/${code.replaceAll('_', '-')}`,
    title: TITLES[code],
    status,
    detail: message,
    code,
    error: message,
    ...(requestId === undefined ? {} : { requestId }),
  };
  return {
    status,
    headers: {
      'cache-control': 'no-store',
      // The challenge contains the requested permission. Characters that could end the header are removed.
      ...(wwwAuthenticate === undefined ? {} : { 'www-authenticate': wwwAuthenticate.replace(/[^ -~]/g, '') }),
      ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify(body),
  };
}
