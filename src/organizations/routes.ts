// HTTP of organizations.
import { type Endpoint, endpoint, signedIn } from '../http/endpoint.ts';
import { PageQuery, page } from '../http/wire.ts';
import type { Database } from '../platform/db.ts';
import { listOwnOrganizations } from './list-own.ts';
import { OwnOrganization } from './schema.ts';

export function organizationRoutes(deps: { readonly db: Database }): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/me/organizations',
      access: signedIn(),
      id: 'listMyOrganizations',
      summary: 'List the organizations you are an active member of, with your roles',
      tag: 'Me',
      query: PageQuery,
      reply: { 200: page(OwnOrganization) },
      handle: ({ caller, query }) => listOwnOrganizations(deps, caller, query),
    }),
  ];
}
