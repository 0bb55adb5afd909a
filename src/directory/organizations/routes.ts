// The HTTP routes to create, read, change and delete organizations.
import { type Endpoint, endpoint, needs, signedIn } from '../../base/http/endpoint.ts';
import { enveloped, PageQuery, page } from '../../base/http/wire.ts';
import { type CreateOrganizationDeps, createOrganization } from './create-organization.ts';
import { changeOrganization, getOrganization, getSubscription, type OrganizationDeps } from './current.ts';
import { type DeleteOrganizationDeps, deleteOrganization } from './delete-organization.ts';
import { listOwnOrganizations } from './list-own.ts';
import {
  ChangeOrganization,
  CreatedOrganization,
  CreateOrganization,
  Organization,
  OwnOrganization,
  SubscriptionUse,
} from './schema.ts';

export interface OrganizationRouteDeps extends OrganizationDeps, CreateOrganizationDeps, DeleteOrganizationDeps {}

export function organizationRoutes(deps: OrganizationRouteDeps): Endpoint[] {
  return [...creatingRoutes(deps), ...currentRoutes(deps)];
}

function currentRoutes(deps: OrganizationDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/organizations/current',
      access: needs('organization:read', { orClient: true }),
      id: 'getOrganization',
      summary: 'Read the current organization with its settings',
      tag: 'Organizations',
      reply: { 200: enveloped(Organization) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller }) => ({ data: await getOrganization(deps, caller) }),
    }),
    endpoint({
      method: 'PATCH',
      url: '/api/v1/organizations/current',
      access: needs('organization:update'),
      id: 'changeOrganization',
      summary: 'Change the name of the current organization, or merge a change into its settings; its slug stays',
      tag: 'Organizations',
      body: ChangeOrganization,
      reply: { 200: enveloped(Organization) },
      versioned: true,
      problems: ['not_found', 'organization_suspended', 'organization_access_denied'],
      handle: async ({ caller, body, assertVersion }) => ({
        data: await changeOrganization(deps, caller, body, assertVersion),
      }),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/organizations/current/subscription',
      access: needs('organization:read', { orClient: true }),
      id: 'getSubscription',
      summary: 'Read the plan, trial, limits and usage of the current organization',
      tag: 'Organizations',
      reply: { 200: enveloped(SubscriptionUse) },
      versioned: true,
      problems: ['not_found'],
      handle: async ({ caller }) => ({ data: await getSubscription(deps, caller) }),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/me/organizations',
      access: signedIn({ alsoSuspended: true }),
      id: 'listMyOrganizations',
      summary: 'List the organizations you are an active member of, with your roles',
      tag: 'Me',
      query: PageQuery,
      reply: { 200: page(OwnOrganization) },
      handle: ({ caller, query }) => listOwnOrganizations(deps, caller, query),
    }),
  ];
}

function creatingRoutes(deps: CreateOrganizationDeps & DeleteOrganizationDeps): Endpoint[] {
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
      idempotent: true,
      problems: ['slug_taken', 'organization_limit'],
      handle: ({ caller, body: { name, slug = null }, once }) =>
        once(
          (kept) => createOrganization(deps, caller, { name, slug }, kept),
          ({ organization, subscription }) => ({ data: { ...organization, subscription } }),
        ),
    });
  return [
    create('/api/v1/organizations', 'createOrganization', 'Create an organization and become its owner'),
    create('/api/v1/tenants', 'createTenant', 'Create an organization (another name of POST /api/v1/organizations)'),
    endpoint({
      method: 'DELETE',
      url: '/api/v1/organizations/current',
      access: needs('organization:delete'),
      id: 'deleteOrganization',
      summary: 'Delete the current organization and everything in it, for good',
      tag: 'Organizations',
      reply: { 204: null },
      versioned: enveloped(Organization),
      handle: ({ caller, assertVersion }) => deleteOrganization(deps, caller, assertVersion),
    }),
  ];
}
