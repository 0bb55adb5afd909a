// Decides whether an open socket may continue with another token. What the identity headers told the upstream must
// still be true, apart from the session. The new token must not expire earlier.
import { identityHeaders } from '../../protocol/identity-headers.ts';
import type { VerifiedPrincipal, Verifier } from '../../verifier/core/contract.ts';
import { VerificationError } from '../../verifier/core/error.ts';

/** Why a renewal is refused although the verifier did not refuse the token. */
export type RenewalCode =
  | 'malformed_frame'
  | 'too_many_requests'
  | 'other_subject'
  | 'other_organization'
  | 'token_older'
  /** Roles or permissions differ from those that the upstream got: the client must open another socket. */
  | 'rights_changed';

export type Renewal =
  | { readonly isRenewed: true; readonly principal: VerifiedPrincipal }
  | { readonly isRenewed: false; readonly code: string };

/** Judges a token for a socket whose current principal is `held`. */
export async function judgeRenewal(
  verifier: Verifier,
  held: VerifiedPrincipal,
  token: string | null,
  now: () => number,
): Promise<Renewal> {
  if (token === null) return refused('malformed_frame');
  let next: VerifiedPrincipal;
  try {
    next = await verifier.verify(token);
  } catch (error) {
    if (error instanceof VerificationError) return refused(error.code);
    throw error;
  }
  if (next.expiresAt * 1000 <= now()) return refused('token_expired');
  const code = difference(held, next);
  return code === null ? { isRenewed: true, principal: next } : refused(code);
}

function refused(code: string): Renewal {
  return { isRenewed: false, code };
}

function difference(held: VerifiedPrincipal, next: VerifiedPrincipal): RenewalCode | null {
  if (next.kind !== held.kind || next.id !== held.id) return 'other_subject';
  if (next.organizationId !== held.organizationId) return 'other_organization';
  if (next.expiresAt < held.expiresAt) return 'token_older';
  const [was, is] = [identityHeaders(held), identityHeaders(next)];
  // The session may differ, because the socket ends when either session ends.
  const names = ['x-roles', 'x-permissions', 'x-permissions-elsewhere'] as const;
  return names.some((name) => was[name] !== is[name]) ? 'rights_changed' : null;
}

const WINDOW_MILLISECONDS = 10_000;
const PER_WINDOW_MAX = 10;

/** Limits the renewals of one socket, because checking a signature costs more than passing on a message. */
export function createRenewalLimit(now: () => number): () => boolean {
  let since = Number.NEGATIVE_INFINITY;
  let count = 0;
  return () => {
    const at = now();
    if (Math.abs(at - since) >= WINDOW_MILLISECONDS) {
      since = at;
      count = 0;
    }
    count += 1;
    return count <= PER_WINDOW_MAX;
  };
}
