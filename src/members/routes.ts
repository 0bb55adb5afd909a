// HTTP of founding and ending organizations.
import type { Endpoint } from '../http/endpoint.ts';
import { endpoint, needs, signedIn } from '../http/endpoint.ts';
import { enveloped } from '../http/wire.ts';
import { CreatedOrganization, CreateOrganization } from '../organizations/schema.ts';
import { type CreateOrganizationDeps, createOrganization } from './create-organization.ts';
import { type DeleteOrganizationDeps, deleteOrganization } from './delete-organization.ts';

export function memberRoutes(deps: CreateOrganizationDeps & DeleteOrganizationDeps): Endpoint[] {
  const create = (url: string, id: string, summary: string) =>
    endpoint({
      method: 'POST',
      url,
      access: signedIn(),
      id,
      summary,
      tag: 'Organizations',
      body: CreateOrganization,
      reply: { 201: enveloped(CreatedOrganization) },
      problems: ['slug_taken', 'organization_limit'],
      handle: async ({ caller, body }) => {
        const founded = await createOrganization(deps, caller, { name: body.name, slug: body.slug ?? null });
        return { data: { ...founded.organization, subscription: founded.subscription } };
      },
    });
  return [
    create('/api/v1/organizations', 'createOrganization', 'Create an organization and become its owner'),
    create('/api/v1/tenants', 'createTenant', 'Create an organization (another name of POST /organizations)'),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/organizations/current',
      access: needs('organization:delete'),
      id: 'deleteOrganization',
      summary: 'Delete the current organization with all that belongs to it, for good',
      tag: 'Organizations',
      reply: { 204: null },
      handle: ({ caller }) => deleteOrganization(deps, caller),
    }),
  ];
}
