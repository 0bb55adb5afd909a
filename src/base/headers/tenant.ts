// Reads the organization that a request names in its headers, and raises the problems about these headers.
// protocol/tenant-headers.ts has the rules. The headers never override the organization of a token.

import type { Principal } from '../../protocol/caller.ts';
import {
  compareTenants,
  type NamedTenants,
  oneOrganization as namedOnce,
  namedTenants as readTenants,
  TENANT_HEADERS,
  TWO_TENANTS,
} from '../../protocol/tenant-headers.ts';
import { problem } from '../errors/problem.ts';

const NONE: readonly string[] = [];

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Returns the organizations that the headers name, as id or slug in lower case. The list is empty, or has one entry, or
 * has an id and a slug. Only the database knows whether an id and a slug are the same organization. Raises bad_request.
 */
export function namedTenants(headers: Headers): readonly string[] {
  if (TENANT_HEADERS.every((name) => headers[name] === undefined)) return NONE;
  return referencesOf(readTenants((name) => [headers[name] ?? []].flat()));
}

/**
 * Returns the different references, without null. Raises bad_request for two ids or two slugs, because they certainly
 * name two organizations.
 */
export function oneOrganization(references: readonly (string | null | undefined)[]): readonly string[] {
  return referencesOf(namedOnce(references.filter((reference) => typeof reference === 'string')));
}

function referencesOf(named: NamedTenants): readonly string[] {
  if ('fault' in named) throw problem('bad_request', { detail: named.fault });
  return named.references;
}

/**
 * Compares the organization of a token with the headers. Raises tenant_mismatch, or bad_request when the headers name
 * two organizations.
 */
export function assertOwnTenant(caller: Principal, references: readonly string[]): void {
  const outcome = compareTenants(caller, references);
  if (outcome === 'different') throw problem('bad_request', { detail: TWO_TENANTS });
  if (outcome === 'other') throw problem('tenant_mismatch');
}
