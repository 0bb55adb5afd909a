// The error that the verifier raises for a token or request: its code, its status and its HTTP headers.
import type { VerificationCode } from './contract.ts';

interface Kind {
  readonly status: 401 | 403 | 503;
  /** For the client: what is wrong, and what to do next. */
  readonly message: string;
}

const KINDS: Readonly<Record<VerificationCode, Kind>> = {
  unauthenticated: { status: 401, message: 'Send an access token: Authorization: Bearer <token>.' },
  invalid_token: { status: 401, message: 'The access token is not valid here: refresh it or sign in again.' },
  token_expired: { status: 401, message: 'The access token has expired: refresh it.' },
  token_stale: { status: 401, message: 'Rights have changed since this token was issued: refresh it and carry on.' },
  session_revoked: { status: 401, message: 'This session was ended: sign in again.' },
  organization_suspended: { status: 401, message: 'This organization is suspended: choose another one.' },
  permission_denied: { status: 403, message: 'The permission for this is lacking: ask an administrator for it.' },
  organization_required: { status: 403, message: 'This needs an organization: switch to one first.' },
  keys_unavailable: { status: 503, message: 'The keys of the issuer cannot be fetched now: try again in a moment.' },
  revocations_stale: { status: 503, message: 'Revocations cannot be followed now: try again in a moment.' },
  check_unavailable: { status: 503, message: 'The permission cannot be checked now: try again in a moment.' },
};

/** Details of an error beyond its code. */
export interface VerificationExtras {
  readonly message?: string;
  /** The requested permission (RFC 6750 §3.1: `scope`). */
  readonly permission?: string;
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/**
 * Why a token or request is refused. `status` is 401, 403 or 503 and `wwwAuthenticate` the challenge that belongs to it
 * (RFC 6750 §3). No message contains a token.
 */
export class VerificationError extends Error {
  override readonly name = 'VerificationError';
  readonly code: VerificationCode;
  readonly status: 401 | 403 | 503;
  /** The value of the WWW-Authenticate header; absent for 503. */
  readonly wwwAuthenticate: string | undefined;
  /** For the Retry-After header; present for 503. */
  readonly retryAfterSeconds: number | undefined;

  constructor(code: VerificationCode, extras: VerificationExtras = {}) {
    super(extras.message ?? KINDS[code].message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.status = KINDS[code].status;
    this.wwwAuthenticate = challenge(code, this.status, extras.permission);
    this.retryAfterSeconds = this.status === 503 ? Math.max(1, Math.ceil(extras.retryAfterSeconds ?? 1)) : undefined;
  }
}

// RFC 6750 §3.1: the challenge names no error if no token was sent. After 401 another token may help, and after 403 a
// token with more permissions.
function challenge(code: VerificationCode, status: number, permission: string | undefined): string | undefined {
  if (status === 503) return undefined;
  if (code === 'unauthenticated') return 'Bearer';
  if (status === 401) return 'Bearer error="invalid_token"';
  return permission === undefined
    ? 'Bearer error="insufficient_scope"'
    : `Bearer error="insufficient_scope", scope="${permission}"`;
}

/** A promise that is rejected with a VerificationError. */
export function refused(code: VerificationCode, message?: string): Promise<never> {
  return Promise.reject(new VerificationError(code, message === undefined ? {} : { message }));
}
