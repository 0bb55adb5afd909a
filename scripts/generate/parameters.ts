// The request headers of the API as the reference describes them: those that name an organization, and those that make
// changes safe. The headers are used in src/base/headers/tenant.ts and src/base/http/reply.ts.
import { changesVersioned, type Endpoint } from '../../src/base/http/endpoint.ts';
import { KEY_LENGTH_MAX, KEY_LENGTH_MIN } from '../../src/base/idempotency/key.ts';

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
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'A random text of your own, such as a UUID, with or without quotes. For 24 hours, a repeat of the request with the same key has no second effect and gets the same answer.',
    schema: { type: 'string', minLength: KEY_LENGTH_MIN, maxLength: KEY_LENGTH_MAX + 2 },
    example: '4f8f2c1e-6a1d-4b0e-9c55-0d9d6f0e7a31',
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description: 'The ETag that you have read. The change is only made if the resource still has it, otherwise 412.',
    schema: { type: 'string' },
    example: '"u3Jc4rVq0m5xq0m2c8Zk9w"',
  },
  IfNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description: 'The ETag that you have read. If the resource still has it, the answer is 304 without a body.',
    schema: { type: 'string' },
    example: '"u3Jc4rVq0m5xq0m2c8Zk9w"',
  },
} as const;

/** References to the shared parameters that the endpoint takes. */
export function sharedParameters(declared: Endpoint) {
  const names: (keyof typeof PARAMETERS)[] = [];
  if (takesTenantHeaders(declared)) names.push('TenantId', 'OrganizationSlug');
  if (declared.idempotent) names.push('IdempotencyKey');
  if (changesVersioned(declared)) names.push('IfMatch');
  if (declared.versioned !== undefined && declared.method === 'GET') names.push('IfNoneMatch');
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

/** Whether the route belongs to the API. Every route of the API reads the headers that name an organization. */
function takesTenantHeaders(declared: Endpoint): boolean {
  return declared.url.startsWith('/api/v1/');
}
