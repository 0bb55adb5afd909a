// The current grants of members. They may come from memory while no change is known. Otherwise, they are read from
// PostgreSQL. In its own transaction, a change of one member's rights raises the epoch of the membership, and a change
// that ends all tokens of a user, such as a new password, raises the epoch of the user. A change of an organization's
// own role that many members have first raises the epoch of the organization's roles. Every cached entry has the epochs
// of the user and of the roles at its query, so an entry is out of date when a higher epoch of the user, of the
// membership or of the roles is known. decide.ts makes the decisions.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import { REVOCATIONS_REMEMBERED_SECONDS, type Revocations } from '../../credentials/revocations/revocations.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { permits } from '../../protocol/permission.ts';
import { decide } from './decide.ts';
import { createGrantsCache, type GrantsCacheLimits } from './grants-cache.ts';
import { type MemberGrants, toMemberGrants } from './member-grants.ts';
import { findMemberGrants } from './store.ts';

export interface MembershipAccessDeps {
  readonly db: Pick<Database, 'organizationReader'>;
  readonly revocations: Pick<Revocations, 'epochOf' | 'rolesEpochOf' | 'isSuspended' | 'readSecondsAgo'>;
}

export interface MembershipAccess {
  /**
   * Returns the grants of those users who are members of the organization, by user id. For up to STALE_SECONDS_MAX, a
   * change by another process may be unknown here. With `fresh`, the grants are read from PostgreSQL. Raises
   * DatabaseUnavailable, service_busy.
   */
  grants(
    organizationId: string,
    userIds: readonly string[],
    options?: { readonly fresh?: boolean },
  ): Promise<ReadonlyMap<string, MemberGrants>>;
  /** Whether the caller has the permission everywhere in the caller's organization. Raises the errors of `grants`. */
  holds(caller: OrganizationCaller, permission: string): Promise<boolean>;
  /** Empties the cache, for example because the service now uses another database or a restored one. */
  forget(): void;
}

const LIMITS: GrantsCacheLimits = { membersMax: 50_000, permissionsMax: 500_000 };
/** If the last read of the revocations is older than this, the cache is not used. */
export const STALE_SECONDS_MAX = 3;
// Epochs are forgotten after REVOCATIONS_REMEMBERED_SECONDS. Cached entries must be dropped before then.
const REMEMBERED_MS_MAX = (REVOCATIONS_REMEMBERED_SECONDS / 2) * 1000;
const READINGS_MAX = 5;

/** Creates the membership access with an empty cache. */
export function openMembershipAccess(deps: MembershipAccessDeps, limits = LIMITS): MembershipAccess {
  const { revocations } = deps;
  const cache = createGrantsCache(limits);

  function isStale(organizationId: string): boolean {
    return revocations.isSuspended(organizationId) || revocations.readSecondsAgo() > STALE_SECONDS_MAX;
  }

  function isOfNow({ organizationId, userId, epoch, rolesEpoch }: MemberGrants): boolean {
    const areRolesNow = rolesEpoch >= revocations.rolesEpochOf(organizationId);
    return areRolesNow && epoch >= revocations.epochOf(userId, organizationId);
  }

  function recall(organizationId: string, userId: string): MemberGrants | undefined {
    const entry = cache.get(organizationId, userId);
    if (!entry) return undefined;
    const young = monotonicMs() - entry.readAtMs < REMEMBERED_MS_MAX;
    if (young && isOfNow(entry.grants)) return entry.grants;
    cache.delete(organizationId, userId);
    return undefined;
  }

  /**
   * Reads again if a change became known during the query, because the caller that made the change may already have
   * been told that it is done.
   */
  async function read(organizationId: string, userIds: readonly string[]): Promise<Map<string, MemberGrants>> {
    const reader = deps.db.organizationReader({ organizationId }, { bulk: userIds.length > 1 });
    const { isSuspended, rolesEpochOf } = revocations;
    const epochOf = (userId: string) => revocations.epochOf(userId, organizationId);
    const known = () => [isSuspended(organizationId), rolesEpochOf(organizationId), ...userIds.map(epochOf)].join();
    for (let reading = 0; reading < READINGS_MAX; reading += 1) {
      const [before, readAtMs] = [known(), monotonicMs()];
      const row = await findMemberGrants(reader, organizationId, userIds);
      if (known() !== before) continue;
      const found = toMemberGrants(organizationId, row);
      // No entry says that a user is not a member, because no epoch would show that such an entry is out of date.
      for (const grants of found.values()) if (grants.organizationActive) cache.set({ grants, readAtMs });
      return found;
    }
    throw problem('service_busy', { retryAfterSeconds: 1 });
  }

  async function findAll(organizationId: string, userIds: readonly string[], fresh = false) {
    const wanted = [...new Set(userIds)];
    const found = new Map<string, MemberGrants>();
    if (!fresh && !isStale(organizationId)) {
      for (const userId of wanted) {
        const grants = recall(organizationId, userId);
        if (grants) found.set(userId, grants);
      }
    }
    const missing = wanted.filter((userId) => !found.has(userId));
    if (missing.length === 0) return found;
    // All users are read again, so that the answer is true at one moment. A cached entry may change during the query.
    return read(organizationId, wanted);
  }

  return {
    grants: (organizationId, userIds, options) => findAll(organizationId, userIds, options?.fresh),
    async holds(caller, permission) {
      if (!caller.permissionsElsewhere) return permits(caller.permissions, permission);
      const found = await findAll(caller.organizationId, [caller.id]);
      return decide(found.get(caller.id), { permission, scope: {} }).allowed;
    },
    forget: cache.clear,
  };
}
