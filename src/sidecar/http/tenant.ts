// The organization that a request names in its headers, judged as the service judges it. The upstream gets headers with
// the organization of the token instead: see upstream-headers.ts.
import type { Principal } from '../../protocol/caller.ts';
import { compareTenants, namedTenants, TWO_TENANTS } from '../../protocol/tenant-headers.ts';
import { Refusal } from '../core/problems.ts';
import type { Head } from './head.ts';

/**
 * The organizations that a request names. Raises bad_request if its headers are malformed or certainly name two
 * organizations.
 */
export function tenantsOf({ fields }: Head): readonly string[] {
  const named = namedTenants((header) => fields.get(header) ?? []);
  if ('fault' in named) throw new Refusal('bad_request', {}, named.fault);
  return named.references;
}

/**
 * Raises tenant_mismatch if the request names an organization that its token does not act for. A token that acts for no
 * organization is refused too, because only the service can read memberships.
 */
export function assertOwnTenant(head: Head, principal: Principal): void {
  const references = tenantsOf(head);
  const outcome = compareTenants(principal, references);
  if (outcome === 'different') throw new Refusal('bad_request', {}, TWO_TENANTS);
  if (outcome === 'other') throw new Refusal('tenant_mismatch');
}
