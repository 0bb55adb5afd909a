// Remembers what members hold, bounded in members and in permissions. Whether an entry is still true is judged by
// whoever looks it up.
import type { Holdings } from './holdings.ts';

export interface CachedHoldings {
  readonly holdings: Holdings;
  /** When the reading began, on the clock that never steps. */
  readonly readAtMs: number;
}

export interface HoldingsCache {
  get(organizationId: string, userId: string): CachedHoldings | undefined;
  set(entry: CachedHoldings): void;
  delete(organizationId: string, userId: string): void;
  clear(): void;
  readonly size: number;
}

export interface HoldingsCacheLimits {
  readonly membersMax: number;
  /** Of all entries together: roles differ in size by a factor of a thousand. */
  readonly permissionsMax: number;
}

// Both are UUIDs in lower case: the space cannot be part of either.
function keyOf(organizationId: string, userId: string): string {
  return `${organizationId} ${userId}`;
}

function permissionsOf({ holdings }: CachedHoldings): number {
  return holdings.assignments.reduce((total, { role }) => total + role.permissions.size, 0);
}

/** The entries that were used least recently make room. */
export function createHoldingsCache(limits: HoldingsCacheLimits): HoldingsCache {
  const entries = new Map<string, CachedHoldings>(); // a Map keeps the order of insertion
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
      const { holdings } = entry;
      if (holdings.organizationId !== organizationId || holdings.userId !== userId) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    set(entry) {
      const key = keyOf(entry.holdings.organizationId, entry.holdings.userId);
      // Of two readings the later one may end first; what it found is not undone.
      if ((entries.get(key)?.holdings.epoch ?? 0) > entry.holdings.epoch) return;
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
