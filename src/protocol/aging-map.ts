// A map that may hold millions of ids and holds up nobody: it grows in small steps, and gives up its oldest entries a
// few at a time. What the values mean, and when an entry is too old, is the owner's matter.

export interface AgingMap<Value> {
  get(id: string): Value | undefined;
  has(id: string): boolean;
  /** Makes this the youngest entry. */
  put(id: string, value: Value): void;
  /** Drops up to so many of the entries that are too old; whether there may be more of them. */
  drop(isOld: (value: Value) => boolean, most: number): boolean;
  /** May be walked through in parts, with changes between them: what is in it all the while is met once. */
  entries(): Generator<readonly [string, Value]>;
}

// A Map copies itself when it grows: 30 ms for a million entries. A thousandth of it is copied in no time.
const PARTS = 1024;

/** Entries of one part stand in the order of their age, because whatever is put stands last. */
export function createAgingMap<Value>(): AgingMap<Value> {
  const parts = Array.from({ length: PARTS }, () => new Map<string, Value>());
  const none = new Map<string, Value>();

  // Ids are random in their last places; the low five bits of two hexadecimal digits tell 256 pairs apart.
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
