// Owns: the headers by which a request of any route of the API names an organization, as the reference describes them.
// Leaves to others: what the headers do (src/base/http/tenant.ts).
import type { Endpoint } from '../../src/base/http/endpoint.ts';

const RULES = `If the token acts for an organization, it must be that one: otherwise the answer is 403 \`tenant_mismatch\`. If the
token acts for none, the request acts for this organization of its user. At login and refresh: the organization to act for,
unless the body names one.`;

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
  OrganizationSlug: header(
    'X-Organization-Slug',
    'Slug of an organization. If X-Tenant-ID is also sent, both must name the same one.',
    'acme',
  ),
};

/** References to the shared parameters. */
export const TENANT_PARAMETERS = Object.keys(PARAMETERS).map((name) => ({ $ref: `#/components/parameters/${name}` }));

/** Whether the route belongs to the API. Every route of the API reads these headers. */
export function takesTenantHeaders(declared: Endpoint): boolean {
  return declared.url.startsWith('/api/v1/');
}
