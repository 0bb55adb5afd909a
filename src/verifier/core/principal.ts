// Creates a principal from verified claims, and decides which permissions its token grants.
import { actsForOrganization, principalOf } from '../../protocol/caller.ts';
import { PERMISSION_PATTERN, permits } from '../../protocol/permission.ts';
import type { Claims } from './claims.ts';
import type { VerifiedPrincipal } from './contract.ts';
import { VerificationError } from './error.ts';

/** A principal: data that may be logged, compared and copied. Its token is private. */
class Verified {
  readonly #token: string;

  constructor(token: string, claims: Claims, keyId: string) {
    this.#token = token;
    Object.assign(this, principalOf(claims, keyId), { expiresAt: claims.exp });
    Object.freeze(this);
  }

  has(this: VerifiedPrincipal, permission: string): boolean {
    return permits(this.permissions, wanted(permission));
  }

  require(this: VerifiedPrincipal, permission: string): void {
    if (!this.has(permission)) throw refusal(this, permission);
  }

  static tokenOf(principal: object): string | undefined {
    return #token in principal ? principal.#token : undefined;
  }
}

/**
 * The principal of claims that the key `keyId` has signed. The principal remembers its token, which only `tokenOf` can
 * read.
 */
export function verifiedPrincipal(token: string, claims: Claims, keyId: string): VerifiedPrincipal {
  const { permissions, roles } = claims as { permissions?: readonly string[]; roles?: readonly string[] };
  if (permissions) Object.freeze(permissions);
  if (roles) Object.freeze(roles);
  return new Verified(token, claims, keyId) as unknown as VerifiedPrincipal;
}

/** The token of a principal that `verifiedPrincipal` made; undefined for a copy. */
export function tokenOf(principal: VerifiedPrincipal): string | undefined {
  return Verified.tokenOf(principal);
}

/** Whether only the check endpoint knows the permissions of the principal. */
export function isElsewhere(principal: VerifiedPrincipal): boolean {
  return principal.kind === 'user' && principal.permissionsElsewhere;
}

/** The error for a principal whose token does not grant a permission. */
export function refusal(principal: VerifiedPrincipal, permission: string): VerificationError {
  if (isElsewhere(principal)) {
    return new VerificationError('check_unavailable', {
      message: 'The user has too many permissions for a token: ask with `await verifier.authorize(…)`.',
    });
  }
  if (!actsForOrganization(principal)) return new VerificationError('organization_required', { permission });
  return new VerificationError('permission_denied', { permission });
}

/**
 * Returns the permission. Raises TypeError for anything but `resource:action`, because no token grants a permission of
 * another form.
 */
export function wanted(permission: string): string {
  if (typeof permission === 'string' && PERMISSION_PATTERN.test(permission)) return permission;
  throw new TypeError(`A permission is written resource:action, such as deals:write; ${String(permission)} is not one`);
}
