// Forward authentication. It decides whether a proxy may pass a request to a service, in most cases without a query.
// The configuration of the proxy decides which requests are checked and how the proxy uses the answer.
import { problem } from '../../base/errors/problem.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { actsForOrganization, type OrganizationCaller, type Principal } from '../../protocol/caller.ts';
import { type IdentityHeader, identityHeaders } from '../../protocol/identity-headers.ts';
import { permits } from '../../protocol/permission.ts';
import { type TenantHeader, tenantHeaders } from '../../protocol/tenant-headers.ts';

export interface ForwardDeps {
  readonly revocations: Pick<Revocations, 'freshSecondsAgo'>;
  readonly holds: (caller: OrganizationCaller, permission: string) => boolean | Promise<boolean>;
}

/**
 * If the last read of the revocations is older than this, every request is refused, because a revocation may be
 * unknown.
 */
const FRESH_SECONDS_MAX = 30;

/**
 * Returns the headers for the service behind the proxy if the request may pass. Raises permission_denied or
 * organization_required for a caller who does not have every required permission, and revocations_stale when the
 * revocations have not been read recently.
 */
export async function admit(
  deps: ForwardDeps,
  caller: Principal,
  wanted: readonly string[],
): Promise<Record<IdentityHeader | TenantHeader, string>> {
  if (!(deps.revocations.freshSecondsAgo() <= FRESH_SECONDS_MAX))
    throw problem('revocations_stale', { retryAfterSeconds: 1 });
  for (const permission of wanted) {
    if (!actsForOrganization(caller)) throw problem('organization_required');
    const held =
      caller.kind === 'client' ? permits(caller.permissions, permission) : await deps.holds(caller, permission);
    if (!held) throw problem('permission_denied');
  }
  return { ...identityHeaders(caller), ...tenantHeaders(caller) };
}
