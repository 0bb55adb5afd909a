// Notices which requests or statements take longer than a limit, with one timer for all of them. Almost none of them
// gets slow, so a timer for each would cost too much.
import { List, type Place } from '../platform/list.ts';
import { workForService } from '../platform/requester.ts';
import { systemTiming, type Timing } from './timing.ts';

/** One item that runs. */
export interface Run<Item> {
  readonly item: Item;
  readonly begunAt: number;
  isOverdue: boolean;
}

export class Running<Item> {
  readonly #limitMs: number;
  readonly #onOverdue: (item: Item) => void;
  readonly #timing: Timing;
  /** The oldest comes first. */
  readonly #runs = new List<Run<Item>>();
  #isArmed = false;

  /** Calls `onOverdue` once for each item that has not ended `limitMs` after it began. */
  constructor(limitMs: number, onOverdue: (item: Item) => void, timing: Timing = systemTiming) {
    this.#limitMs = limitMs;
    this.#onOverdue = onOverdue;
    this.#timing = timing;
  }

  /** The item begins now. */
  begin(item: Item): Place<Run<Item>> {
    if (!this.#isArmed) this.#arm(this.#limitMs);
    return this.#runs.add({ item, begunAt: this.#timing.elapsed(), isOverdue: false });
  }

  /** The item has ended. Returns false if it had ended before. */
  end(place: Place<Run<Item>>): boolean {
    return this.#runs.leave(place);
  }

  /** Ends all items. Returns them, the oldest first. */
  endAll(): Item[] {
    const items: Item[] = [];
    for (let place = this.#runs.first; place?.item; place = this.#runs.first) {
      items.push(place.item.item);
      this.#runs.leave(place);
    }
    return items;
  }

  // The timer outlives the request that sets it, so it does not run for that request.
  #arm(milliseconds: number): void {
    this.#isArmed = true;
    workForService(() => this.#timing.after(milliseconds, () => this.#look()));
  }

  /** The timer may be early for the oldest item, because the timer was set for an older item that has ended. */
  #look(): void {
    try {
      for (let place = this.#runs.first; place?.item; place = this.#runs.after(place)) {
        const run = place.item;
        if (run.isOverdue) continue;
        if (this.#leftMs(run) > 0) break;
        run.isOverdue = true;
        this.#onOverdue(run.item);
      }
    } finally {
      // After an error of `onOverdue`, the other overdue items must be noticed too.
      const next = this.#firstInTime();
      if (next) this.#arm(Math.max(0, Math.ceil(this.#leftMs(next))));
      else this.#isArmed = false;
    }
  }

  #leftMs({ begunAt }: Run<Item>): number {
    return begunAt + this.#limitMs - this.#timing.elapsed();
  }

  #firstInTime(): Run<Item> | undefined {
    let place = this.#runs.first;
    while (place?.item?.isOverdue) place = this.#runs.after(place);
    return place?.item ?? undefined;
  }
}
