// The two headers with which a request names its organization, X-Tenant-ID (id or slug) and X-Organization-Slug: how
// they are read, how they are compared with a token, and what a proxy sends to the service behind it instead.
import type { Principal } from './caller.ts';
import { isIdShaped } from './id.ts';
import { isAnyHeader } from './identity-headers.ts';

/** In lower case, as in Node. */
export const TENANT_HEADERS = ['x-tenant-id', 'x-organization-slug'] as const;
export type TenantHeader = (typeof TENANT_HEADERS)[number];

const REFERENCE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The organizations that a request names, as id or slug in lower case: none, one, or an id and a slug. Only the
 * database knows whether an id and a slug are the same organization. `fault` is the reason why the request is refused
 * with 400.
 */
export type NamedTenants = { readonly references: readonly string[] } | { readonly fault: string };

export const TWO_TENANTS = 'The request names different organizations: name one.';

/** Reads the headers. `valuesOf` returns every value of a header. A repeated header may also be one joined value. */
export function namedTenants(valuesOf: (header: TenantHeader) => readonly string[]): NamedTenants {
  const references: string[] = [];
  for (const header of TENANT_HEADERS) {
    const [sent, ...more] = valuesOf(header);
    if (sent === undefined) continue;
    const reference = sent.trim().toLowerCase();
    // No reference contains a comma, with which Node and proxies join repeated headers.
    if (more.length > 0 || !REFERENCE.test(reference))
      return { fault: `${header} must be one id or slug of an organization.` };
    references.push(reference);
  }
  return oneOrganization(references);
}

/** The different references. Two ids, or two slugs, certainly name two organizations. */
export function oneOrganization(references: readonly string[]): NamedTenants {
  const different = [...new Set(references)];
  const ids = different.filter(isIdShaped).length;
  return ids > 1 || different.length - ids > 1 ? { fault: TWO_TENANTS } : { references: different };
}

/**
 * Compares what a request names with the organization of its token. Returns `own` if every reference is the token's,
 * `other` if none is, and `different` if only one of an id and a slug is.
 */
export function compareTenants(caller: Principal, references: readonly string[]): 'own' | 'other' | 'different' {
  const own = references.filter(
    (reference) => reference === caller.organizationId || reference === caller.organizationSlug,
  );
  if (own.length === references.length) return 'own';
  return own.length > 0 ? 'different' : 'other';
}

/** Both headers for the service behind a proxy. They name the organization of the principal; '' stands for none. */
export function tenantHeaders(principal: Principal): Record<TenantHeader, string> {
  return {
    'x-tenant-id': principal.organizationId ?? '',
    'x-organization-slug': principal.organizationSlug ?? '',
  };
}

/** Whether a receiver may read the header as a tenant header, in any of the spellings of `isIdentityHeader`. */
export function isTenantHeader(name: string): boolean {
  return isAnyHeader(TENANT_HEADERS, name);
}
