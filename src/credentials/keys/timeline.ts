// Which key signs and which keys verify at an instant, from the keys' instants alone. Pure: no files, no clock.

import type { RingKey } from './file.ts';
import { compareNames } from './name.ts';

export interface PlacedKey {
  readonly key: RingKey;
  /** Epoch milliseconds at which it is retired: its successor's take-over plus the retention; Infinity for the newest. */
  readonly verifiesUntil: number;
}

export interface Timeline {
  /** Oldest first; of equal instants the later name counts as newer. */
  readonly placed: readonly PlacedKey[];
  /** Files that hold a key which an earlier instant already has. */
  readonly repeated: readonly RingKey[];
}

/**
 * Orders keys and dates their retirement. `seenAt` answers when (epoch ms) a key came into view, -Infinity where unknown:
 * a key that arrives after its own instant takes over on arrival, and its predecessor's retention counts from then.
 */
export function arrange(
  keys: readonly RingKey[],
  retentionSeconds: number,
  seenAt: (kid: string) => number = () => Number.NEGATIVE_INFINITY,
): Timeline {
  const ordered = keys.toSorted(
    (a, b) => a.activeFrom.getTime() - b.activeFrom.getTime() || compareNames(a.file, b.file),
  );
  const kids = new Set<string>();
  const repeated: RingKey[] = [];
  const unique = ordered.filter((key) => {
    if (kids.has(key.kid)) repeated.push(key);
    const first = !kids.has(key.kid);
    kids.add(key.kid);
    return first;
  });
  const placed = unique.map((key, index) => {
    const next = unique[index + 1];
    const takeOver = next ? Math.max(next.activeFrom.getTime(), seenAt(next.kid)) : Number.POSITIVE_INFINITY;
    return { key, verifiesUntil: takeOver + retentionSeconds * 1000 };
  });
  return { placed, repeated };
}

/** The newest key whose instant has passed at `at`, undefined if none has. */
export function signerAt(placed: readonly PlacedKey[], at: Date): PlacedKey | undefined {
  return placed.findLast(({ key }) => key.activeFrom.getTime() <= at.getTime());
}

/** True until the key's retention ends: also before its first instant, since another machine's clock may be ahead. */
export function verifiesAt(key: PlacedKey, at: Date): boolean {
  return at.getTime() < key.verifiesUntil;
}
