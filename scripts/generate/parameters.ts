// Owns: the headers by which a request of any route of the API names an organization, as the reference describes them.
// Leaves to others: what they do (src/base/http/tenant.ts).
import type { Endpoint } from '../../src/base/http/endpoint.ts';

const RULES = `The token's own organization, or 403 \`tenant_mismatch\`. With a token that acts for none: one of its user's
organizations, which the request then acts for. At login and refresh: the organization to act for, unless the body names it.`;

const header = (name: string, what: string, example: string) =>
  ({
    name,
    in: 'header',
    required: false,
    description: `${what} ${RULES.replaceAll('\n', ' ')}`,
    schema: { type: 'string', minLength: 1, maxLength: 63 },
    example,
  }) as const;

/** The shared parameters, by their name in the document. */
export const PARAMETERS = {
  TenantId: header('X-Tenant-ID', 'Id or slug of an organization.', '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e02'),
  OrganizationSlug: header('X-Organization-Slug', 'Slug of an organization; with X-Tenant-ID the same one.', 'acme'),
};

/** References to them. */
export const TENANT_PARAMETERS = Object.keys(PARAMETERS).map((name) => ({ $ref: `#/components/parameters/${name}` }));

/** Whether the route belongs to the API, all of which reads these headers. */
export function takesTenantHeaders(declared: Endpoint): boolean {
  return declared.url.startsWith('/api/v1/');
}
