// The principal of a verified access token: a user or a service client.
import type { AccessClaims, ClientClaims } from './claims.ts';

export interface Caller {
  readonly kind: 'user';
  readonly id: string;
  readonly sessionId: string;
  /** The one organization that the token acts for; null if the user acts for none. */
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** True if the permissions were too many for the token. Then only the check endpoint knows the permissions. */
  readonly permissionsElsewhere: boolean;
  readonly epoch: number;
  /** The epoch of the membership. Null for a token without an organization, and for a token of the previous version. */
  readonly membershipEpoch: number | null;
  /** The epoch of the organization's roles. Null for the same tokens as `membershipEpoch`. */
  readonly rolesEpoch: number | null;
  /** Seconds since 1970. */
  readonly authenticatedAt: number;
  /** When the token was issued, in seconds since 1970. */
  readonly issuedAt: number;
  /** The `kid` of the key that signed the token. Absent only for a principal that was not read from a token. */
  readonly keyId?: string;
}

/** A service client: it has no session, and acts for the organization it belongs to, or for none. */
export interface ClientCaller {
  readonly kind: 'client';
  /** The client_id, a UUID. */
  readonly id: string;
  /** Null for a client of the whole installation, which operators create. */
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly permissions: readonly string[];
  readonly epoch: number;
  readonly issuedAt: number;
  readonly keyId?: string;
}

/** A user or a service client. */
export type Principal = Caller | ClientCaller;

/** A caller who acts for an organization. */
export interface OrganizationCaller extends Caller {
  readonly organizationId: string;
  readonly organizationSlug: string;
}

/** A service client of an organization. */
export interface OrganizationClient extends ClientCaller {
  readonly organizationId: string;
  readonly organizationSlug: string;
}

/** A user or a service client that acts for an organization. */
export type OrganizationPrincipal = OrganizationCaller | OrganizationClient;

export function actsForOrganization(caller: Caller): caller is OrganizationCaller;
export function actsForOrganization(caller: Principal): caller is OrganizationPrincipal;
export function actsForOrganization(caller: Principal): boolean {
  return caller.organizationId !== null;
}

/**
 * The database scope of a caller: the organization and, for a user, their own rows. No rows belong to a client.
 */
export function scopeOf(caller: OrganizationPrincipal): { readonly organizationId: string; readonly userId?: string } {
  const { organizationId, id } = caller;
  return caller.kind === 'user' ? { organizationId, userId: id } : { organizationId };
}

/** The principal of the claims of a verified token, which the key `keyId` has signed. */
export function principalOf(claims: AccessClaims | ClientClaims, keyId?: string): Principal {
  const common = {
    id: claims.sub,
    organizationId: claims.org ?? null,
    organizationSlug: claims.org_slug ?? null,
    permissions: claims.permissions ?? [],
    epoch: claims.epoch,
    issuedAt: claims.iat,
    ...(keyId === undefined ? {} : { keyId }),
  };
  if (!('sid' in claims)) return Object.freeze({ kind: 'client', ...common });
  return Object.freeze({
    kind: 'user',
    ...common,
    sessionId: claims.sid,
    roles: claims.roles ?? [],
    permissionsElsewhere: claims.permissions_ref === true,
    membershipEpoch: claims.mep ?? null,
    rolesEpoch: claims.rep ?? null,
    authenticatedAt: claims.auth_time,
  });
}
