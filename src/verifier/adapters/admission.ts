// The principal of a request or socket. A principal is kept in a WeakMap and not on the request, so that a property
// that was copied onto a request never counts as a principal. The adapters use this file, which imports no framework.
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
 * The Authorization header of a request; undefined if there is none. Raises invalid_token if there is more than one
 * such header: node:http silently keeps the first, but a proxy in front may have judged another (RFC 6750 §2).
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

/** A function that raises VerificationError unless the principal of a request or socket has the permission. */
export type PermissionCheck = (holder: object) => Promise<void>;

/**
 * Returns a function that checks a permission. The function raises `unauthenticated` if there is no principal, or if
 * the principal comes from a verifier other than `by`. If the principal is no longer good, the function raises a
 * VerificationError with the reason. If the principal lacks the permission, the function raises the error of
 * `Verifier.authorize`. `permissionCheck` itself raises TypeError for anything but `resource:action`.
 */
export function permissionCheck(permission: string, by?: Verifier): PermissionCheck {
  const wanted = requirable(permission);
  return async (holder) => {
    const found = admitted.get(holder);
    if (!found || (by !== undefined && by !== found.verifier)) throw new VerificationError('unauthenticated');
    const { verifier, principal } = found;
    // The token may have expired or been revoked while the body of the request arrived.
    const code = verifier.judge(principal);
    if (code) throw new VerificationError(code);
    await verifier.authorize(principal, wanted);
  };
}
