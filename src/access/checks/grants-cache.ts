// A cache of members' grants. The number of members and the number of permissions are limited. membership-access.ts
// uses the cache and decides whether an entry is still true.
import { type Scope, scopeBytes } from '../../directory/rights/scope.ts';
import type { MemberGrants } from './member-grants.ts';

export interface CachedGrants {
  readonly grants: MemberGrants;
  /** When the query began, by the monotonic clock. */
  readonly readAtMs: number;
}

export interface GrantsCache {
  get(organizationId: string, userId: string): CachedGrants | undefined;
  set(entry: CachedGrants): void;
  delete(organizationId: string, userId: string): void;
  clear(): void;
  readonly size: number;
}

export interface GrantsCacheLimits {
  readonly membersMax: number;
  /**
   * The limit of permissions in all entries together. A limit of entries is not enough, because one role can have a
   * thousand times as many permissions as another. A scope counts as the number of permissions that take as much memory
   * as the scope.
   */
  readonly permissionsMax: number;
}

// Both ids are UUIDs in lower case, so neither of them contains the space.
function keyOf(organizationId: string, userId: string): string {
  return `${organizationId} ${userId}`;
}

/** The memory that the assignments of an entry take, counted in permissions. One permission takes about 60 bytes. */
function permissionsOf({ grants }: CachedGrants): number {
  return grants.assignments.reduce((total, { role, scope }) => total + role.permissions.size + weightOf(scope), 0);
}

/**
 * An empty scope counts as nothing. In any other scope, each name with its value counts as two permissions, and the
 * text of the scope as one more for each 60 bytes or part of them.
 */
function weightOf(scope: Scope): number {
  const names = Object.keys(scope);
  return names.length === 0 ? 0 : names.length * 2 + Math.ceil(scopeBytes(scope) / 60);
}

/** Creates the cache. It removes the least recently used entries when a limit is exceeded. */
export function createGrantsCache(limits: GrantsCacheLimits): GrantsCache {
  const entries = new Map<string, CachedGrants>(); // a Map keeps the order of insertion
  let permissions = 0;

  function drop(key: string): void {
    const entry = entries.get(key);
    if (entry && entries.delete(key)) permissions -= permissionsOf(entry);
  }

  return {
    get(organizationId, userId) {
      const key = keyOf(organizationId, userId);
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      const { grants } = entry;
      if (grants.organizationId !== organizationId || grants.userId !== userId) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    set(entry) {
      const key = keyOf(entry.grants.organizationId, entry.grants.userId);
      // Of two queries, the one that began later may end first. The older result must not replace the newer result.
      const known = entries.get(key)?.grants;
      if (known && (known.epoch > entry.grants.epoch || known.rolesEpoch > entry.grants.rolesEpoch)) return;
      drop(key);
      entries.set(key, entry);
      permissions += permissionsOf(entry);
      for (const oldest of entries.keys()) {
        if (entries.size <= limits.membersMax && permissions <= limits.permissionsMax) break;
        drop(oldest);
      }
    },
    delete: (organizationId, userId) => drop(keyOf(organizationId, userId)),
    clear() {
      entries.clear();
      permissions = 0;
    },
    get size() {
      return entries.size;
    },
  };
}
