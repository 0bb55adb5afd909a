// Which key signs and which keys verify at a given time, computed from the times at which keys become active and
// arrive. This file reads no key files and no clock.

import type { RingKey } from './file.ts';
import { compareNames } from './name.ts';

export interface DatedKey {
  readonly key: RingKey;
  /**
   * When the key is retired, in ms since 1970: the time at which its successor takes over, plus the retention. Infinity
   * for the newest key.
   */
  readonly verifiesUntil: number;
}

export interface Timeline {
  /** Oldest first. Of keys with the same activation time, the later name counts as newer. */
  readonly dated: readonly DatedKey[];
  /** Files whose key is already in an earlier file. */
  readonly repeated: readonly RingKey[];
}

/**
 * Orders keys and computes when they retire. `seenAt` returns when a key was first seen (ms since 1970), -Infinity if
 * unknown. A key that arrives after its activation time takes over on arrival, and the retention of its predecessor
 * counts from then.
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
  const dated = unique.map((key, index) => {
    const next = unique[index + 1];
    const takeOver = next ? Math.max(next.activeFrom.getTime(), seenAt(next.kid)) : Number.POSITIVE_INFINITY;
    return { key, verifiesUntil: takeOver + retentionSeconds * 1000 };
  });
  return { dated, repeated };
}

/** The newest key that is active at `at`; undefined if none is. */
export function signerAt(dated: readonly DatedKey[], at: Date): DatedKey | undefined {
  return dated.findLast(({ key }) => key.activeFrom.getTime() <= at.getTime());
}

/**
 * True until the key's retention ends. Also true before the key is active, because another machine's clock may be
 * ahead.
 */
export function verifiesAt(key: DatedKey, at: Date): boolean {
  return at.getTime() < key.verifiesUntil;
}
