// What members hold, as of now: from memory while nothing says that it has changed, else from PostgreSQL. Every change of
// what a user may do raises that user's epoch in its own transaction, and what is remembered carries the epoch of its
// moment: so it is out of date exactly when a higher epoch is known. Deciding is left to decide.ts.

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
  readonly revocations: Pick<Revocations, 'epochOf' | 'isSuspended' | 'readSecondsAgo'>;
}

export interface MembershipAccess {
  /**
   * What those of the users hold who are members of the organization, by user: as this process knows it by now, changes
   * of other processes up to STALE_SECONDS_MAX late; `fresh` asks PostgreSQL. Raises DatabaseUnavailable, service_busy.
   */
  grants(
    organizationId: string,
    userIds: readonly string[],
    options?: { readonly fresh?: boolean },
  ): Promise<ReadonlyMap<string, MemberGrants>>;
  /** Whether the caller holds the permission everywhere in their organization. Raises as `grants` does. */
  holds(caller: OrganizationCaller, permission: string): Promise<boolean>;
  /** Remembers nothing any more: what was read is of another database, or of another time of this one. */
  forget(): void;
}

const LIMITS: GrantsCacheLimits = { membersMax: 50_000, permissionsMax: 500_000 };
/** The longest time for which changes made by other processes may be unknown here before memory is not asked any more. */
export const STALE_SECONDS_MAX = 3;
// An epoch is forgotten after a while. What is remembered must be gone by then.
const REMEMBERED_MS_MAX = (REVOCATIONS_REMEMBERED_SECONDS / 2) * 1000;
const READINGS_MAX = 5;

/** Opens an empty memory. */
export function openMembershipAccess(deps: MembershipAccessDeps, limits = LIMITS): MembershipAccess {
  const { revocations } = deps;
  const cache = createGrantsCache(limits);

  function isStale(organizationId: string): boolean {
    return revocations.isSuspended(organizationId) || revocations.readSecondsAgo() > STALE_SECONDS_MAX;
  }

  function recall(organizationId: string, userId: string): MemberGrants | undefined {
    const entry = cache.get(organizationId, userId);
    if (!entry) return undefined;
    const young = monotonicMs() - entry.readAtMs < REMEMBERED_MS_MAX;
    if (young && entry.grants.epoch >= revocations.epochOf(userId)) return entry.grants;
    cache.delete(organizationId, userId);
    return undefined;
  }

  /** Asks again when a change became known meanwhile: whoever made it may have been answered before us. */
  async function read(organizationId: string, userIds: readonly string[]): Promise<Map<string, MemberGrants>> {
    const known = () => [revocations.isSuspended(organizationId), ...userIds.map(revocations.epochOf)].join();
    for (let reading = 0; reading < READINGS_MAX; reading += 1) {
      const [before, readAtMs] = [known(), monotonicMs()];
      const row = await findMemberGrants(deps.db.organizationReader({ organizationId }), organizationId, userIds);
      if (known() !== before) continue;
      const found = toMemberGrants(organizationId, row);
      // Whoever is no member is asked for each time: no event tells of all the places where somebody has no part.
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
    // Something remembered may change while the others are read: all of them are told of one moment.
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
