// The HTTP route of the permission catalogue.
import type { Database } from '../../base/database/db.ts';
import { type Endpoint, endpoint, needs } from '../../base/http/endpoint.ts';
import { PageQuery, page } from '../../base/http/wire.ts';
import { listKnownPermissions } from './list-known.ts';
import { KnownPermission } from './schema.ts';

export interface PermissionRouteDeps {
  readonly db: Database;
}

export function permissionRoutes(deps: PermissionRouteDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/permissions',
      access: needs('roles:read', { orClient: true }),
      id: 'listPermissions',
      summary: 'List the permissions that Tenantry requires or that a role contains, including wildcards',
      tag: 'Roles',
      query: PageQuery,
      reply: { 200: page(KnownPermission) },
      handle: ({ caller, query }) => listKnownPermissions(deps, caller, query),
    }),
  ];
}
