// Notices what takes longer than a limit, with one timer for all. A timer for each request or statement would cost more
// than watching it, because almost none of them gets slow.
import { workForService } from '../platform/requester.ts';
import { systemTiming, type Timing } from './timing.ts';

export interface Overdue<Item> {
  /** Begins to watch the item. An item that is watched already begins again. */
  add(item: Item): void;
  /** The item has ended. */
  delete(item: Item): void;
}

/** Calls `onOverdue` once for each item that has not ended `limitMs` after it was added. */
export function watchOverdue<Item>(
  limitMs: number,
  onOverdue: (item: Item) => void,
  timing: Timing = systemTiming,
): Overdue<Item> {
  const begunAt = new Map<Item, number>(); // a Map keeps the order of insertion, so the first item is the oldest
  let isArmed = false;

  // The timer outlives the request that sets it, so it does not run for that request.
  const arm = (milliseconds: number) => workForService(() => timing.after(milliseconds, look));

  /** The timer may be early for the oldest item, because an older one that has ended had set it. */
  function look(): void {
    for (const [item, begun] of begunAt) {
      const leftMs = begun + limitMs - timing.elapsed();
      if (leftMs > 0) {
        arm(Math.ceil(leftMs));
        return;
      }
      begunAt.delete(item);
      onOverdue(item);
    }
    isArmed = false;
  }

  return {
    add(item) {
      begunAt.delete(item);
      begunAt.set(item, timing.elapsed());
      if (isArmed) return;
      isArmed = true;
      arm(limitMs);
    },
    delete(item) {
      begunAt.delete(item);
    },
  };
}
