// The principal of a request or socket. It is kept in a WeakMap and not on the request, so that no property which is
// copied onto a request counts as a principal. All adapters use it; it imports no framework.
import { PERMISSION_PATTERN } from '../../protocol/permission.ts';
import type { VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';

interface Admitted {
  readonly verifier: Verifier;
  readonly principal: VerifiedPrincipal;
}

const admitted = new WeakMap<object, Admitted>();

/** The headers of a request of node:http or node:http2. */
export interface HeaderSource {
  readonly headers: { readonly authorization?: string | undefined };
  readonly rawHeaders?: readonly string[];
}

/** Remembers the principal of a request or socket. */
export function admit(holder: object, verifier: Verifier, principal: VerifiedPrincipal): void {
  admitted.set(holder, { verifier, principal });
}

export function dismiss(holder: object): void {
  admitted.delete(holder);
}

/** The principal of a request or socket; null before `authenticate`, without a token, and for a closed socket. */
export function principalOf(holder: object): VerifiedPrincipal | null {
  return admitted.get(holder)?.principal ?? null;
}

/** The principal of a request or socket. Raises VerificationError `unauthenticated` if there is none. */
export function requirePrincipal(holder: object): VerifiedPrincipal {
  const principal = principalOf(holder);
  if (!principal) throw new VerificationError('unauthenticated');
  return principal;
}

/**
 * The Authorization header of a request; undefined if there is none. Raises invalid_token for two: node:http keeps the
 * first silently, and a proxy in front may have judged by the second (RFC 6750 §2).
 */
export function authorizationOf({ headers, rawHeaders = [] }: HeaderSource): string | undefined {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') count += 1;
  }
  if (count > 1) {
    throw new VerificationError('invalid_token', {
      message: 'The request has more than one Authorization header: send one.',
    });
  }
  return headers.authorization;
}

// The check endpoint answers for one permission, so wildcards are refused.
function requirable(permission: string): string {
  if (typeof permission === 'string' && PERMISSION_PATTERN.test(permission) && !permission.includes('*')) {
    return permission;
  }
  const given = typeof permission === 'string' ? JSON.stringify(permission) : typeof permission;
  throw new TypeError(
    `requirePermission takes one resource:action without wildcards, such as 'deals:write'; it was given ${given}.`,
  );
}

/** Raises VerificationError unless the principal of a request or socket has the permission. */
export type PermissionCheck = (holder: object) => Promise<void>;

/**
 * Makes the check of a permission. The check raises `unauthenticated` without a principal or with one of another
 * verifier than `by`, the reason why a principal is no longer good, or `permission_denied`. Making it raises TypeError
 * for anything but `resource:action`.
 */
export function permissionCheck(permission: string, by?: Verifier): PermissionCheck {
  const wanted = requirable(permission);
  return async (holder) => {
    const found = admitted.get(holder);
    if (!found || (by !== undefined && by !== found.verifier)) throw new VerificationError('unauthenticated');
    const { verifier, principal } = found;
    // Time may have passed since the token was verified, while the body arrived.
    const code = verifier.judge(principal);
    if (code) throw new VerificationError(code);
    await verifier.authorize(principal, wanted);
  };
}
