// The HTTP routes with which platform administrators manage organizations.
import { z } from 'zod';
import { type Endpoint, endpoint, platform } from '../../base/http/endpoint.ts';
import { enveloped, Id, page } from '../../base/http/wire.ts';
import {
  type AdministrationDeps,
  activateOrganization,
  getOrganizationByReference,
  listOrganizations,
  suspendOrganization,
} from './organizations.ts';
import { AdministeredOrganization, OrganizationQuery } from './schema.ts';

const params = z.strictObject({ id: Id });

export function administrationRoutes(deps: AdministrationDeps): Endpoint[] {
  const change = (which: 'suspend' | 'activate', summary: string, operation: typeof suspendOrganization) =>
    endpoint({
      method: 'POST',
      url: `/api/v1/admin/organizations/:id/${which}`,
      access: platform(),
      id: `${which}Organization`,
      summary,
      tag: 'Administration',
      params,
      body: z.strictObject({}),
      bodyOptional: true,
      reply: { 200: enveloped(AdministeredOrganization) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller, params: { id }, assertVersion }) => ({
        data: (await operation(deps, id, caller, assertVersion)).organization,
      }),
    });
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/admin/organizations',
      access: platform(),
      id: 'listOrganizations',
      summary: 'List all organizations, or search them by the beginning of the slug or name and by status',
      tag: 'Administration',
      query: OrganizationQuery,
      reply: { 200: page(AdministeredOrganization) },
      handle: ({ query: { q, status, limit, offset } }) =>
        listOrganizations(deps, { prefix: q ?? null, status: status ?? null }, { limit, offset }),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/admin/organizations/:id',
      access: platform(),
      id: 'getAnyOrganization',
      summary: 'Read an organization',
      tag: 'Administration',
      params,
      reply: { 200: enveloped(AdministeredOrganization) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ params: { id } }) => ({ data: await getOrganizationByReference(deps, id) }),
    }),
    change(
      'suspend',
      'Suspend an organization, so that nobody can act for it; repeating it is not an error',
      suspendOrganization,
    ),
    change('activate', 'Activate a suspended organization; repeating it is not an error', activateOrganization),
  ];
}
