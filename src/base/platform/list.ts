// A list from which any item can be removed in constant time. A Map or Set of short-lived items would keep them in
// memory. Each table that a Map or Set has outgrown refers to the next table, and to the items that it had. Tables live
// long, so no item could be collected before the next collection of the whole heap.

/** The place of an item in a list. A place that was left refers to nothing. */
export class Place<Item extends object> {
  item: Item | null;
  previous: Place<Item> | null = null;
  next: Place<Item> | null = null;

  constructor(item: Item | null) {
    this.item = item;
  }
}

export class List<Item extends object> {
  /** The place before the first place and after the last one. It has no item. */
  readonly #ends = new Place<Item>(null);
  #size = 0;

  constructor() {
    this.#ends.previous = this.#ends;
    this.#ends.next = this.#ends;
  }

  get size(): number {
    return this.#size;
  }

  /** The place of the first item; null if there is none. */
  get first(): Place<Item> | null {
    return this.after(this.#ends);
  }

  /** The next place; null after the last one. If this place has been left meanwhile, returns the first place. */
  after(place: Place<Item>): Place<Item> | null {
    const next = place.next ?? this.#ends.next;
    return next === this.#ends ? null : next;
  }

  /** Adds the item at the end. Returns its place. */
  add(item: Item): Place<Item> {
    const place = new Place(item);
    this.#append(place);
    return place;
  }

  /** Removes the item at this place. Returns false if the place had been left before. */
  leave(place: Place<Item>): boolean {
    if (place.next === null) return false;
    this.#unlink(place);
    place.item = null;
    return true;
  }

  moveToEnd(place: Place<Item>): void {
    if (place.next === null) return;
    this.#unlink(place);
    this.#append(place);
  }

  #append(place: Place<Item>): void {
    const last = this.#ends.previous as Place<Item>;
    place.previous = last;
    place.next = this.#ends;
    last.next = place;
    this.#ends.previous = place;
    this.#size += 1;
  }

  #unlink(place: Place<Item>): void {
    const { previous, next } = place as { previous: Place<Item>; next: Place<Item> };
    previous.next = next;
    next.previous = previous;
    place.previous = null;
    place.next = null;
    this.#size -= 1;
  }
}
