// Reads the organization that a request names in its headers: X-Tenant-ID (id or slug) and X-Organization-Slug. The
// headers never override the organization of a token.

import type { Principal } from '../../protocol/caller.ts';
import { isIdShaped } from '../../protocol/id.ts';
import { problem } from '../errors/problem.ts';

/** The headers that may name an organization, in lower case as in Node. */
const TENANT_HEADERS = ['x-tenant-id', 'x-organization-slug'] as const;

const REFERENCE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function named(headers: Headers, name: string): string | null {
  const sent = headers[name];
  if (sent === undefined) return null;
  // Node joins repeated headers with a comma. No reference contains a comma.
  const reference = typeof sent === 'string' ? sent.trim().toLowerCase() : '';
  if (!REFERENCE.test(reference)) {
    throw problem('bad_request', { detail: `${name} must be one id or slug of an organization.` });
  }
  return reference;
}

/**
 * Returns the organizations that the headers name, as id or slug in lower case. The list is empty, or has one entry, or
 * has an id and a slug. Only the database knows whether an id and a slug are the same organization. Raises bad_request.
 */
export function namedTenants(headers: Headers): readonly string[] {
  return oneOrganization(TENANT_HEADERS.map((name) => named(headers, name)));
}

/**
 * Returns the different references, without null. Raises bad_request for two ids or two slugs, because they certainly
 * name two organizations.
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

/** Compares the organization of a token with the headers. Raises tenant_mismatch, or bad_request when the headers differ. */
export function assertOwnTenant(caller: Principal, references: readonly string[]): void {
  const own = references.filter(
    (reference) => reference === caller.organizationId || reference === caller.organizationSlug,
  );
  if (own.length === references.length) return;
  throw own.length > 0 ? twoTenants() : problem('tenant_mismatch');
}
