// Remembers what was verified, by the whole text of the token. It judges nothing: time, keys and revocation are judged
// at every use by whoever asks.

export interface Remembered {
  readonly token: string;
}

export interface TokenCache<Entry extends Remembered> {
  get(token: string): Entry | undefined;
  set(entry: Entry): void;
  delete(token: string): void;
  clear(): void;
}

// The end of a signature tells good tokens apart as well as the whole text does, at a tenth of the cost of hashing it.
// Nobody can make another good token with the same end; what is found is compared whole all the same.
const TAIL = 24;

/** Holds at most `sizeMax` entries, in two generations: a hit in the younger writes nothing, an older one moves up. */
export function createTokenCache<Entry extends Remembered>(sizeMax: number): TokenCache<Entry> {
  const half = sizeMax < 2 ? sizeMax : Math.floor(sizeMax / 2);
  let young = new Map<string, Entry>();
  let old = new Map<string, Entry>();

  function put(tail: string, entry: Entry): void {
    if (young.size >= half && !young.has(tail)) {
      old = young;
      young = new Map();
    }
    young.set(tail, entry);
  }

  return {
    get(token) {
      const tail = token.slice(-TAIL);
      const entry = young.get(tail);
      if (entry !== undefined) return entry.token === token ? entry : undefined;
      const older = old.get(tail);
      if (older === undefined || older.token !== token) return undefined;
      old.delete(tail);
      put(tail, older);
      return older;
    },
    set(entry) {
      if (half > 0) put(entry.token.slice(-TAIL), entry);
    },
    delete(token) {
      const tail = token.slice(-TAIL);
      young.delete(tail);
      old.delete(tail);
    },
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}
