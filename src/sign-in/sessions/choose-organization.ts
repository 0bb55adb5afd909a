// Chooses the organization for which a request acts. A user whose token names no organization may name one of their own
// organizations in the tenant headers. No token proves that choice, so the membership is read from the database at each
// request. A sign-in or a refresh may name the organization for its new token.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Caller, OrganizationCaller } from '../../protocol/caller.ts';
import { canonicalPermissions } from '../../protocol/permission.ts';
import { listNamedMemberships, type NamedMembership } from './store.ts';

/**
 * Returns the caller in the organization that every reference (id or slug) names. Raises bad_request when the
 * references name different organizations, organization_access_denied for a caller who is not an active member, and
 * organization_suspended for a suspended organization.
 */
export async function actFor(
  deps: { readonly db: Database },
  caller: Caller,
  references: readonly string[],
): Promise<OrganizationCaller> {
  const membership = await namedMembership(deps, caller.id, references);
  if (!membership.memberActive) throw problem('organization_access_denied');
  if (!membership.active) throw problem('organization_suspended');
  return Object.freeze({
    ...caller,
    organizationId: membership.id,
    organizationSlug: membership.slug,
    roles: membership.roles,
    permissions: canonicalPermissions(membership.permissions),
    permissionsElsewhere: false,
  });
}

/**
 * Returns the one organization, as id or slug, that all references name, or null without references. A single reference
 * is not checked. Call this only for a user who has proven who they are. Raises bad_request when the references name
 * different organizations, and organization_access_denied when none of them is an organization of the user.
 */
export async function chooseOrganization(
  deps: { readonly db: Database },
  userId: string,
  references: readonly string[],
): Promise<string | null> {
  const [reference, ...others] = references;
  if (others.length === 0) return reference ?? null;
  return (await namedMembership(deps, userId, references)).id;
}

// The answer shows nothing about organizations of which the user is not a member. It does not even show whether an id
// and a slug belong together.
async function namedMembership(
  deps: { readonly db: Database },
  userId: string,
  references: readonly string[],
): Promise<NamedMembership> {
  const [membership] = await listNamedMemberships(deps.db.userReader(userId), userId, references);
  if (!membership) throw problem('organization_access_denied');
  if (references.every((reference) => reference === membership.id || reference === membership.slug)) return membership;
  throw problem('bad_request', { detail: 'The request names different organizations: name one.' });
}
