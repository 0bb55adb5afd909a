// Remembers tokens whose signature has been checked, so that the signature is not checked again at each use. A token is
// known by the SHA-256 of its whole text: nobody can make another text with the same digest, and the cache holds no
// token that could be used. The caller judges time and revocation at every use, after the lookup. A change of the key
// ring empties the cache.
import { hash } from 'node:crypto';

export interface VerifiedCache<Value> {
  get(token: string): Value | undefined;
  set(token: string, value: Value): void;
  delete(token: string): void;
  clear(): void;
  /** The memory that the entries take, estimated. */
  readonly bytes: number;
}

export interface VerifiedCacheOptions<Value> {
  /**
   * The limit on the memory of all entries together. A limit on their number is not enough, because one token can have
   * a hundred times as many permissions as another.
   */
  readonly bytesMax: number;
  /** Whether the token of a value has expired. */
  readonly isOver: (value: Value) => boolean;
}

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** The digest, the entry, and their place in the Map. */
const ENTRY_BYTES = 160;
const POINTER_BYTES = 8;
const OBJECT_BYTES = 64;
const STRING_BYTES = 24;
const BEYOND_LATIN = /[^\u0000-\u00ff]/;

/** Estimates the memory of a value, generously: the overhead of V8's heap differs between versions. */
function bytesOf(value: unknown): number {
  if (typeof value === 'string') return STRING_BYTES + value.length * (BEYOND_LATIN.test(value) ? 2 : 1);
  if (typeof value !== 'object' || value === null) return POINTER_BYTES;
  return Object.values(value).reduce((bytes: number, member) => bytes + POINTER_BYTES + bytesOf(member), OBJECT_BYTES);
}

// The digest as 32 characters of one byte each.
function keyOf(token: string): string {
  return hash('sha256', token, 'binary');
}

/** Creates an empty cache. When it is full, a new entry replaces the least recently used ones. */
export function createVerifiedCache<Value>({ bytesMax, isOver }: VerifiedCacheOptions<Value>): VerifiedCache<Value> {
  const entries = new Map<string, Entry<Value>>(); // a Map keeps the order of insertion
  let bytes = 0;

  function drop(key: string): void {
    bytes -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  }

  /**
   * Drops the least recently used entries while the limit is exceeded or they have expired. Tokens live for minutes, so
   * entries that have not been used for long have usually expired. Otherwise their memory would stay in use until new
   * entries need it.
   */
  function dropOld(): void {
    for (const [key, { value }] of entries) {
      if (bytes <= bytesMax && !isOver(value)) return;
      drop(key);
    }
  }

  return {
    get(token) {
      const key = keyOf(token);
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(token, value) {
      const key = keyOf(token);
      drop(key);
      const entry = { value, bytes: ENTRY_BYTES + bytesOf(value) };
      entries.set(key, entry);
      bytes += entry.bytes;
      dropOld();
    },
    delete: (token) => drop(keyOf(token)),
    clear() {
      entries.clear();
      bytes = 0;
    },
    get bytes() {
      return bytes;
    },
  };
}
