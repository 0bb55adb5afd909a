// The catalogue of permissions. It contains Tenantry's own permissions, each with a description, and the permissions
// for other services that roles contain.
import type { Database } from '../../base/database/db.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import { countPermissions, listPermissions } from './store.ts';

/**
 * The permissions that Tenantry's own routes require, and two that are reserved for later routes: audit:read and
 * webhooks:manage. Every permission in a call of `needs()` or `client()` is listed here.
 */
export const OWN_PERMISSIONS: Readonly<Record<string, string>> = {
  'audit:read': 'Read the audit log of the organization.',
  'clients:manage': 'Create, change and delete service clients of the organization.',
  'organization:delete': 'Delete the organization.',
  'organization:read': 'Read the organization and its subscription.',
  'organization:update': 'Change the name and the settings of the organization.',
  'revocations:read': 'As a service client: read the revocations of the organization.',
  'roles:read': 'List roles and known permissions.',
  'roles:write': 'Create, change and delete roles of the organization, within one’s own rights.',
  'sessions:read': 'List the sessions in which members act for the organization.',
  'sessions:revoke': 'End the sessions in which members act for the organization.',
  'users:invite': 'Invite people and manage the invitations.',
  'users:read': 'List and read the members of the organization.',
  'users:remove': 'Remove members from the organization.',
  'users:update': 'Change the roles and the status of members.',
  'webhooks:manage': 'Create, change and delete webhooks of the organization.',
};

export interface KnownPermission {
  /** A name, or `*` for a wildcard in a role. */
  readonly resource: string;
  readonly action: string;
  /** `resource:action`. */
  readonly permission: string;
  readonly description: string | null;
  /** `tenantry` for a permission in OWN_PERMISSIONS, `roles` for one that only roles contain. */
  readonly source: 'tenantry' | 'roles';
}

/**
 * Returns a sorted list of Tenantry's own permissions and of those in the roles that the caller's organization can see.
 */
export async function listKnownPermissions(
  deps: { readonly db: Database },
  caller: OrganizationPrincipal,
  page: Page,
): Promise<Paged<KnownPermission>> {
  const { organizationId } = caller;
  const reader = deps.db.organizationReader(scopeOf(caller), { bulk: true });
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
