// A small model of the access to organizations, members and roles. It is plain code and independent of the service.
// fuzz.test.ts compares the answers of the service with the model.
import type { Person, SeededOrganization } from '../support/fixtures/people.ts';

export interface ModelRole {
  readonly id: string;
  readonly name: string;
  /** Null for a system role. */
  readonly organization: SeededOrganization | null;
  readonly permissions: readonly string[];
}

export interface ModelMembership {
  readonly person: Person;
  readonly organization: SeededOrganization;
  readonly active: boolean;
  readonly roles: readonly ModelRole[];
}

export interface Model {
  readonly organizations: readonly SeededOrganization[];
  readonly suspended: ReadonlySet<SeededOrganization>;
  readonly memberships: readonly ModelMembership[];
  readonly roles: readonly ModelRole[];
  readonly invitations: ReadonlyMap<string, SeededOrganization>;
}

/** A token: its user, the organization that it was issued for, and whether it is stale. */
export interface Bearer {
  readonly person: Person;
  readonly organization: SeededOrganization | null;
  readonly stale: boolean;
  readonly token: string;
}

export interface Refused {
  readonly status: number;
  readonly code: string;
}

export interface Acting {
  readonly organization: SeededOrganization | null;
  readonly permissions: readonly string[];
}

function refuse(status: number, code: string): Refused {
  return { status, code };
}

export function isRefused(outcome: object): outcome is Refused {
  return 'code' in outcome;
}

function membershipOf(model: Model, person: Person, organization: SeededOrganization | null) {
  return model.memberships.find((m) => m.person === person && m.organization === organization);
}

/** Returns the organization of a request by the rules of tenant resolution, or the reason for the refusal. */
export function resolveTenant(
  model: Model,
  bearer: Bearer | null,
  headers: readonly (string | null)[],
  alsoSuspended: boolean,
): Acting | Refused {
  if (bearer === null) {
    return refuse(401, 'unauthenticated');
  }
  if (bearer.stale) return refuse(401, 'token_stale');
  const named = [...new Set(headers.filter((header) => header !== null).map((header) => header.toLowerCase()))];
  const isId = (name: string) => name.length === 36;
  const names = (organization: SeededOrganization, name: string) =>
    name === organization.id || name === organization.slug;
  // The organization of the token is checked first. If it is suspended, the headers make no difference: every request
  // is refused, except to routes with `alsoSuspended`.
  if (bearer.organization !== null && model.suspended.has(bearer.organization) && !alsoSuspended) {
    return refuse(401, 'organization_suspended');
  }
  const [one, two] = named;
  if (one !== undefined && two !== undefined && isId(one) === isId(two)) return refuse(400, 'bad_request');
  if (bearer.organization !== null) {
    const own = bearer.organization;
    if (named.every((name) => names(own, name))) return acting(model, bearer.person, own);
    return named.some((name) => names(own, name)) ? refuse(400, 'bad_request') : refuse(403, 'tenant_mismatch');
  }
  if (named.length === 0) return { organization: null, permissions: [] };
  const own = model.memberships.filter(
    ({ person, organization }) => person === bearer.person && named.some((name) => names(organization, name)),
  );
  const meant = own.find(({ organization }) => named.every((name) => names(organization, name)));
  if (own.length === 0) return refuse(403, 'organization_access_denied');
  if (!meant) return refuse(400, 'bad_request');
  if (!meant.active) return refuse(403, 'organization_access_denied');
  if (model.suspended.has(meant.organization)) return refuse(403, 'organization_suspended');
  return acting(model, bearer.person, meant.organization);
}

function acting(model: Model, person: Person, organization: SeededOrganization): Acting {
  const roles = membershipOf(model, person, organization)?.roles ?? [];
  return { organization, permissions: roles.flatMap(({ permissions }) => permissions) };
}

/** Whether a list of permissions allows the wanted permission. The code is slow and simple. */
export function says(permissions: readonly string[], wanted: string): boolean {
  const [resource, action] = wanted.split(':');
  return permissions.some((held) => {
    const [r, a] = held.split(':');
    return (r === '*' || r === resource) && (a === '*' || a === action);
  });
}

/** Returns the members of an organization, including suspended members. */
export function membersOf(model: Model, organization: SeededOrganization): ModelMembership[] {
  return model.memberships.filter((membership) => membership.organization === organization);
}
