// Who was let in: the principal of a request or socket, kept beside it and not on it, so that nothing that is copied onto
// a request can pass for one. The adapters' common ground; it knows no framework.
import { PERMISSION_PATTERN } from '../../protocol/permission.ts';
import type { VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';

interface Admitted {
  readonly verifier: Verifier;
  readonly principal: VerifiedPrincipal;
}

const admitted = new WeakMap<object, Admitted>();

/** What of a request says who sends it: node:http's request, and node:http2's. */
export interface HeaderSource {
  readonly headers: { readonly authorization?: string | undefined };
  readonly rawHeaders?: readonly string[];
}

/** Remembers whom a request or socket was found to be from. */
export function admit(holder: object, verifier: Verifier, principal: VerifiedPrincipal): void {
  admitted.set(holder, { verifier, principal });
}

export function dismiss(holder: object): void {
  admitted.delete(holder);
}

/** Whom a request or socket is from: null before `authenticate`, without a token, and once a socket was closed. */
export function principalOf(holder: object): VerifiedPrincipal | null {
  return admitted.get(holder)?.principal ?? null;
}

/** The same where somebody must be there. Raises VerificationError `unauthenticated`. */
export function requirePrincipal(holder: object): VerifiedPrincipal {
  const principal = principalOf(holder);
  if (!principal) throw new VerificationError('unauthenticated');
  return principal;
}

/**
 * The one Authorization header of a request; undefined when there is none. Raises invalid_token for two: node:http keeps
 * the first and says nothing, and what stands in front may have judged by the other (RFC 6750 §2).
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

// The check endpoint is asked about one thing: no wildcards.
function requirable(permission: string): string {
  if (typeof permission === 'string' && PERMISSION_PATTERN.test(permission) && !permission.includes('*')) {
    return permission;
  }
  const given = typeof permission === 'string' ? JSON.stringify(permission) : typeof permission;
  throw new TypeError(
    `requirePermission takes one resource:action without wildcards, such as 'deals:write'; it was given ${given}.`,
  );
}

/** Raises VerificationError unless a request or socket is from somebody who holds the permission. */
export type PermissionCheck = (holder: object) => Promise<void>;

/**
 * A check for what was let in: unauthenticated where nobody was (or not by the verifier that is named), why a principal is
 * no longer good, permission_denied. Raises TypeError, when it is made, for what is no `resource:action`.
 */
export function permissionCheck(permission: string, by?: Verifier): PermissionCheck {
  const wanted = requirable(permission);
  return async (holder) => {
    const found = admitted.get(holder);
    if (!found || (by !== undefined && by !== found.verifier)) throw new VerificationError('unauthenticated');
    const { verifier, principal } = found;
    // The body may have taken its time to arrive.
    const code = verifier.judge(principal);
    if (code) throw new VerificationError(code);
    await verifier.authorize(principal, wanted);
  };
}
