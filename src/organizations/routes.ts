// HTTP of organizations.
import { type Endpoint, endpoint, needs, signedIn } from '../http/endpoint.ts';
import { enveloped, PageQuery, page } from '../http/wire.ts';
import { changeOrganization, getOrganization, getSubscription, type OrganizationDeps } from './current.ts';
import { listOwnOrganizations } from './list-own.ts';
import { ChangeOrganization, Organization, OwnOrganization, SubscriptionUse } from './schema.ts';

export function organizationRoutes(deps: OrganizationDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/organizations/current',
      access: needs('organization:read', { orClient: true }),
      id: 'getOrganization',
      summary: 'Read the current organization with its settings',
      tag: 'Organizations',
      reply: { 200: enveloped(Organization) },
      problems: ['not_found'],
      handle: async ({ caller }) => ({ data: await getOrganization(deps, caller) }),
    }),
    endpoint({
      method: 'PATCH',
      url: '/api/v1/organizations/current',
      access: needs('organization:update'),
      id: 'changeOrganization',
      summary: 'Change the name or the settings of the current organization; its slug stays',
      tag: 'Organizations',
      body: ChangeOrganization,
      reply: { 200: enveloped(Organization) },
      problems: ['not_found'],
      handle: async ({ caller, body }) => ({ data: await changeOrganization(deps, caller, body) }),
    }),
    endpoint({
      method: 'GET',
      url: '/api/v1/organizations/current/subscription',
      access: needs('organization:read', { orClient: true }),
      id: 'getSubscription',
      summary: 'Read plan, trial, limits and usage of the current organization',
      tag: 'Organizations',
      reply: { 200: enveloped(SubscriptionUse) },
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
