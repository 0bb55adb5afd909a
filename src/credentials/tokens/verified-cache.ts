// Remembers tokens whose signature was checked, by their whole text, so that each token is checked once. The caller
// judges time and revocation at every use, after the look-up. A change of the key ring empties the cache.

export interface VerifiedCache<Value> {
  get(token: string): Value | undefined;
  set(token: string, value: Value): void;
  delete(token: string): void;
  clear(): void;
}

/** Creates a cache of at most `entriesMax` entries. A new entry replaces the least recently used one. */
export function createVerifiedCache<Value>(entriesMax: number): VerifiedCache<Value> {
  const entries = new Map<string, Value>();
  return {
    get(token) {
      const value = entries.get(token);
      if (value !== undefined) {
        entries.delete(token); // a Map keeps the order of insertion: the first key is the least recently used one
        entries.set(token, value);
      }
      return value;
    },
    set(token, value) {
      if (entries.size >= entriesMax) {
        const oldest = entries.keys().next();
        if (!oldest.done) entries.delete(oldest.value);
      }
      entries.set(token, value);
    },
    delete: (token) => void entries.delete(token),
    clear: () => entries.clear(),
  };
}
