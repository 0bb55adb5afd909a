// A map of up to millions of ids that never blocks the process for long: it grows in small steps, and drops its oldest
// entries a few at a time. The owner of the map decides when an entry is too old.

export interface AgingMap<Value> {
  get(id: string): Value | undefined;
  has(id: string): boolean;
  /** Adds an id, or makes an existing one the youngest. */
  put(id: string, value: Value): void;
  /** Drops at most `most` entries that are too old. Returns whether more such entries may be left. */
  drop(isOld: (value: Value) => boolean, most: number): boolean;
  /**
   * All entries. The map may change during the iteration: an entry that is neither added again nor dropped is returned
   * once.
   */
  entries(): Generator<readonly [string, Value]>;
}

// A Map copies itself when it grows. That takes 30 ms for a million entries, but only 30 µs for a thousand.
const PARTS = 1024;

/** Creates an empty map. The entries of one part are in the order of their age, because `put` adds at the end. */
export function createAgingMap<Value>(): AgingMap<Value> {
  const parts = Array.from({ length: PARTS }, () => new Map<string, Value>());
  const none = new Map<string, Value>();

  // The last digits of an id are random. The low five bits of the codes of two hexadecimal digits distinguish all 256
  // pairs.
  function partOf(id: string): Map<string, Value> {
    const { length } = id;
    return parts[((id.charCodeAt(length - 1) & 31) << 5) | (id.charCodeAt(length - 2) & 31)] ?? none;
  }

  return {
    get: (id) => partOf(id).get(id),
    has: (id) => partOf(id).has(id),
    put(id, value) {
      const part = partOf(id);
      part.delete(id);
      part.set(id, value);
    },
    drop(isOld, most) {
      let left = most;
      for (const part of parts) {
        for (const [id, value] of part) {
          if (!isOld(value)) break;
          if (left === 0) return true;
          part.delete(id);
          left -= 1;
        }
      }
      return false;
    },
    *entries() {
      for (const part of parts) yield* part;
    },
  };
}
