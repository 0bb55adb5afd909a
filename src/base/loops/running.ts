// Notices what takes longer than a limit, with one timer for all. A timer for each request or statement would cost more
// than watching it, because almost none of them gets slow.
import { workForService } from '../platform/requester.ts';
import { systemTiming, type Timing } from './timing.ts';

/**
 * The place of an item in the list of those that run, the oldest first. A place that is left refers to nothing. An old
 * Map or Set would do so: each table of it refers to the next one and to the items that it had, so that no item could be
 * collected before the next collection of the whole heap.
 */
export class Place<Item extends object> {
  readonly begunAt: number;
  item: Item | null;
  isOverdue = false;
  previous: Place<Item> | null = null;
  next: Place<Item> | null = null;

  constructor(item: Item | null, begunAt: number) {
    this.item = item;
    this.begunAt = begunAt;
  }
}

export class Running<Item extends object> {
  readonly #limitMs: number;
  readonly #onOverdue: (item: Item) => void;
  readonly #timing: Timing;
  /** Before the first place and after the last one. */
  readonly #ends = new Place<Item>(null, 0);
  #isArmed = false;

  /** Calls `onOverdue` once for each item that has not ended `limitMs` after it began. */
  constructor(limitMs: number, onOverdue: (item: Item) => void, timing: Timing = systemTiming) {
    this.#limitMs = limitMs;
    this.#onOverdue = onOverdue;
    this.#timing = timing;
    this.#ends.previous = this.#ends;
    this.#ends.next = this.#ends;
  }

  /** The item begins now. */
  begin(item: Item): Place<Item> {
    const place = new Place(item, this.#timing.elapsed());
    const last = this.#ends.previous as Place<Item>;
    place.previous = last;
    place.next = this.#ends;
    last.next = place;
    this.#ends.previous = place;
    if (!this.#isArmed) this.#arm(this.#limitMs);
    return place;
  }

  /** The item has ended. Returns false if it had ended before. */
  end(place: Place<Item>): boolean {
    const { previous, next } = place;
    if (previous === null || next === null) return false;
    previous.next = next;
    next.previous = previous;
    place.previous = null;
    place.next = null;
    place.item = null;
    return true;
  }

  /** Ends all items. Returns them, the oldest first. */
  endAll(): Item[] {
    const items: Item[] = [];
    for (let place = this.#ends.next; place?.item; place = this.#ends.next) {
      items.push(place.item);
      this.end(place);
    }
    return items;
  }

  // The timer outlives the request that sets it, so it does not run for that request.
  #arm(milliseconds: number): void {
    this.#isArmed = true;
    workForService(() => this.#timing.after(milliseconds, () => this.#look()));
  }

  /** The timer may be early for the oldest item, because an older one that has ended had set it. */
  #look(): void {
    let place = this.#ends.next;
    while (place?.item) {
      const leftMs = place.begunAt + this.#limitMs - this.#timing.elapsed();
      if (leftMs > 0) {
        this.#arm(Math.ceil(leftMs));
        return;
      }
      if (!place.isOverdue) {
        place.isOverdue = true;
        this.#onOverdue(place.item);
      }
      place = place.next ?? this.#ends.next; // from the beginning if this item has just ended
    }
    this.#isArmed = false;
  }
}
