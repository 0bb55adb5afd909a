// Who a verified access token speaks for.

export interface Caller {
  readonly kind: 'user';
  readonly id: string;
  readonly sessionId: string;
  /** The organization the token acts for, and no other; null for a user who acts for none. */
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** True when the token was too small for the permissions: then only the check endpoint knows them. */
  readonly permissionsElsewhere: boolean;
  readonly epoch: number;
  /** Seconds since 1970. */
  readonly authenticatedAt: number;
}

/** A caller who acts for an organization. */
export interface OrganizationCaller extends Caller {
  readonly organizationId: string;
  readonly organizationSlug: string;
}

export function actsForOrganization(caller: Caller): caller is OrganizationCaller {
  return caller.organizationId !== null;
}
