// Which organization a request names in its headers: X-Tenant-ID (id or slug) and X-Organization-Slug. They only name
// it; what a token says is never overruled.

import type { Principal } from '../../protocol/caller.ts';
import { isIdShaped } from '../../protocol/id.ts';
import { problem } from '../errors/problem.ts';

/** The headers that may name an organization, as Node spells them. */
const TENANT_HEADERS = ['x-tenant-id', 'x-organization-slug'] as const;

const REFERENCE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function named(headers: Headers, name: string): string | null {
  const sent = headers[name];
  if (sent === undefined) return null;
  // Node joins repeated headers with a comma, which no reference has.
  const reference = typeof sent === 'string' ? sent.trim().toLowerCase() : '';
  if (!REFERENCE.test(reference)) {
    throw problem('bad_request', { detail: `${name} must be one id or slug of an organization.` });
  }
  return reference;
}

/**
 * The organizations that the headers name, as id or slug in lower case: none, one, or an id and a slug, of which only
 * the database knows whether they are one organization. Raises bad_request.
 */
export function namedTenants(headers: Headers): readonly string[] {
  return oneOrganization(TENANT_HEADERS.map((name) => named(headers, name)));
}

/**
 * The different references among those given, null ones left out. Raises bad_request for two ids or two slugs: they name
 * two organizations, whatever there is.
 */
export function oneOrganization(references: readonly (string | null | undefined)[]): readonly string[] {
  const different = [...new Set(references)].filter((reference) => typeof reference === 'string');
  if (different.filter(isIdShaped).length > 1) throw twoTenants();
  if (different.filter((reference) => !isIdShaped(reference)).length > 1) throw twoTenants();
  return different;
}

function twoTenants() {
  return problem('bad_request', { detail: 'The request names different organizations: name one.' });
}

/** Holds a token's own organization against the headers. Raises tenant_mismatch, or bad_request when they differ. */
export function assertOwnTenant(caller: Principal, references: readonly string[]): void {
  const own = references.filter(
    (reference) => reference === caller.organizationId || reference === caller.organizationSlug,
  );
  if (own.length === references.length) return;
  throw own.length > 0 ? twoTenants() : problem('tenant_mismatch');
}
