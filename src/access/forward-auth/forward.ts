// Forward authentication: what a proxy in front of a service asks about each request, answered from memory. Which requests
// it asks about, and what it does with the answer, is the proxy's configuration.
import { problem } from '../../base/errors/problem.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { actsForOrganization, type OrganizationCaller, type Principal } from '../../protocol/caller.ts';
import { type IdentityHeader, identityHeaders } from '../../protocol/identity-headers.ts';
import { permits } from '../../protocol/permission.ts';

export interface ForwardDeps {
  readonly revocations: Pick<Revocations, 'freshSecondsAgo'>;
  readonly holds: (caller: OrganizationCaller, permission: string) => boolean | Promise<boolean>;
}

/** Past this, what others have revoked is too uncertain to let anybody in. */
const FRESH_SECONDS_MAX = 30;

/**
 * The identity headers of whoever may pass. Raises permission_denied or organization_required unless every wanted
 * permission is held, and revocations_stale where nobody can tell who was signed out meanwhile.
 */
export async function admit(
  deps: ForwardDeps,
  caller: Principal,
  wanted: readonly string[],
): Promise<Record<IdentityHeader, string>> {
  if (!(deps.revocations.freshSecondsAgo() <= FRESH_SECONDS_MAX))
    throw problem('revocations_stale', { retryAfterSeconds: 1 });
  for (const permission of wanted) {
    if (!actsForOrganization(caller)) throw problem('organization_required');
    const held =
      caller.kind === 'client' ? permits(caller.permissions, permission) : await deps.holds(caller, permission);
    if (!held) throw problem('permission_denied');
  }
  return identityHeaders(caller);
}
