// Remembers verified tokens by their whole text. The caller judges time, key and revocation at every use.

export interface Remembered {
  readonly token: string;
}

export interface TokenCache<Entry extends Remembered> {
  get(token: string): Entry | undefined;
  set(entry: Entry): void;
  delete(token: string): void;
  clear(): void;
}

// The end of the signature identifies a good token, and hashing it costs a tenth of hashing the whole text. Nobody can
// make a second good token with the same end. A hit is still compared as a whole.
const TAIL = 24;
/**
 * The length that the cache expects of a token. Nearly all tokens are shorter. Of longer ones, the cache remembers
 * fewer, so that they do not take more memory.
 */
const CHARACTERS_EACH = 2048;

/**
 * Creates a cache of at most `sizeMax` entries in two generations. The tokens of the entries have 2,048 characters on
 * average at most. A hit in the older generation moves the entry to the younger generation.
 */
export function createTokenCache<Entry extends Remembered>(sizeMax: number): TokenCache<Entry> {
  const half = sizeMax < 2 ? sizeMax : Math.floor(sizeMax / 2);
  let young = new Map<string, Entry>();
  let old = new Map<string, Entry>();
  let characters = 0; // of the younger generation

  function put(tail: string, entry: Entry): void {
    const isFull = young.size >= half || characters + entry.token.length > half * CHARACTERS_EACH;
    if (isFull && young.size > 0 && !young.has(tail)) {
      old = young;
      young = new Map();
      characters = 0;
    }
    characters += entry.token.length - (young.get(tail)?.token.length ?? 0);
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
      characters -= young.get(tail)?.token.length ?? 0;
      young.delete(tail);
      old.delete(tail);
    },
    clear() {
      young = new Map();
      old = new Map();
      characters = 0;
    },
  };
}
