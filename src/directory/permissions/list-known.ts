// The catalogue of permissions: those that Tenantry itself asks for, each with what it allows, and those that the roles
// name on behalf of other services.
import type { Database } from '../../base/database/db.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import { countPermissions, listPermissions } from './store.ts';

/** What Tenantry's own routes ask for. Every permission of a `needs()` or a `client()` stands here. */
export const OWN_PERMISSIONS: Readonly<Record<string, string>> = {
  'audit:read': 'Read the audit log of the organization.',
  'clients:manage': 'Make, change and remove service clients of the organization.',
  'organization:delete': 'Delete the organization.',
  'organization:read': 'Read the organization and its subscription.',
  'organization:update': 'Change the name and the settings of the organization.',
  'revocations:read': 'As a service client: follow what is revoked in the organization.',
  'roles:read': 'List roles and the permissions that are known.',
  'roles:write': 'Make, change and remove roles of the organization, within one’s own rights.',
  'sessions:read': 'List the sessions of members that act for the organization.',
  'sessions:revoke': 'End the sessions of members that act for the organization.',
  'users:invite': 'Invite people and handle the invitations.',
  'users:read': 'List and read the members of the organization.',
  'users:remove': 'Remove members from the organization.',
  'users:update': 'Change the roles and the status of members.',
  'webhooks:manage': 'Make, change and remove webhooks of the organization.',
};

export interface KnownPermission {
  /** A name, or `*` in a permission that a role holds as a wildcard. */
  readonly resource: string;
  readonly action: string;
  /** `resource:action`. */
  readonly permission: string;
  readonly description: string | null;
  /** Who asks for it: Tenantry itself, or nobody known but the roles that hold it. */
  readonly source: 'tenantry' | 'roles';
}

/** Every permission that Tenantry asks for or a role visible to the caller's organization holds, in order. */
export async function listKnownPermissions(
  deps: { readonly db: Database },
  caller: OrganizationPrincipal,
  page: Page,
): Promise<Paged<KnownPermission>> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader(scopeOf(caller));
  const own = Object.keys(OWN_PERMISSIONS);
  return paged(await listPermissions(reader, organizationId, own, page), page, {
    toItem: ({ permission }) => describe(permission),
    countAll: () => countPermissions(reader, organizationId, own),
  });
}

function describe(permission: string): KnownPermission {
  const [resource = '', action = ''] = permission.split(':');
  const description = OWN_PERMISSIONS[permission] ?? null;
  return { resource, action, permission, description, source: description === null ? 'roles' : 'tenantry' };
}
