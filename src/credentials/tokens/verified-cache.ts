// Remembers tokens whose signature was checked, by their whole text, so that each is checked once. Time and
// revocation are judged by the caller at every use, after the look-up; a changed key ring empties it.

export interface VerifiedCache<Value> {
  get(token: string): Value | undefined;
  set(token: string, value: Value): void;
  delete(token: string): void;
  clear(): void;
}

/** At most `entriesMax` entries; the one that was used least recently makes room. */
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
