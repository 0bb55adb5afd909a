// How stores write and read personal data. A value is sealed for its row, and is found by keyed hashes. While the
// database still has unsealed columns for the previous version (the phase `expanding`), values are also written there,
// and a value that is not sealed yet is read from there.
import type { Random } from '../platform/random.ts';
import type { DataKeys } from './data-keys.ts';
import { gramsOf, gramsOfQuery, type SearchedGrams } from './grams.ts';
import { type LookupKey, lookup } from './lookup.ts';
import { remembering } from './opened.ts';
import { DataKeyMissing, keyIdOf, SealBroken, seal, unseal } from './sealing.ts';

/** The columns that are sealed, without the ending `_sealed`. The first five are beside an unsealed column. */
export const SEALED_COLUMNS = [
  'users.email',
  'users.name',
  'sessions.user_agent',
  'sessions.ip',
  'invitations.email',
  'person_keys.secret',
  'one_time_tokens.address',
  'outbox.recipient',
  'registrations.email',
  'registrations.name',
  'registrations.organization',
] as const;
export type SealedColumn = (typeof SEALED_COLUMNS)[number];

/** The columns with keyed hashes. */
export type LookupColumn =
  | 'users.email'
  | 'invitations.email'
  | 'outbox.recipient'
  | 'sessions.child_reissued'
  | 'sessions.device'
  | 'one_time_tokens.address'
  | 'one_time_tokens.code'
  | 'registrations.email'
  | 'registrations.code';

/** Opens a stored value of the row with this id. Null stays null. */
export type Open = <Value extends string | null>(column: SealedColumn, id: string, stored: Value) => Value;

export interface Personal {
  /** Whether the database stores nothing unsealed. Until this is known, it is false. */
  readonly isSealed: boolean;
  /** Takes note of the phase of the database. */
  notePhase(isSealed: boolean): void;
  /** The keyed hash of an empty text, in base64. It shows whether a database belongs to the lookup key. */
  lookupCheck(): string;
  /** Takes note of whether the lookup key belongs to the database. With a wrong key, lookups raise DataKeyMissing. */
  noteLookupKey(isOwn: boolean): void;
  /** The sealed text in base64. Raises DataKeyMissing. */
  seal<Value extends string | null>(column: SealedColumn, id: string, text: Value): Value;
  /** The text for an unsealed column: null once the database stores nothing unsealed. */
  clear(text: string | null): string | null;
  /** The keyed hash in base64. Raises DataKeyMissing. */
  lookup(column: LookupColumn, text: string): string;
  /** The keyed hashes by which a part of the text is found. Raises DataKeyMissing. */
  grams(text: string): string[];
  searched(query: string): SearchedGrams;
  /**
   * Runs work that opens values of rows. If a key is missing, the files of the keys are read once more, and the work
   * runs again. Raises DataKeyMissing and SealBroken. The work must change nothing. With `bulk`, the opened values are
   * not remembered, because they would displace those that are read again and again.
   */
  opening<T>(work: (open: Open) => T, options?: { readonly bulk?: boolean }): Promise<T>;
}

/**
 * The SQL of a stored value in either form, for `Open`. `column` is a column with the alias of its table, such as
 * `u.email`. If the row has both forms, the sealed one counts. Null when the row has no value.
 */
export const stored = (column: string) => `coalesce('s' || encode(${column}_sealed, 'base64'), 'c' || ${column})`;

/** Creates the functions that seal and open the personal data of one database. */
export function createPersonal(keys: DataKeys, random: Random): Personal {
  let isSealed = false;
  let isOwnKey = true;

  // A lookup with a wrong key would find nobody, and would let an address register twice.
  function lookupKey(): LookupKey {
    if (!isOwnKey) throw new DataKeyMissing('lookup.jwk is not the lookup key of this database');
    return keys.lookupKey();
  }

  function openSealed(place: string, text: string): string {
    const sealed = Buffer.from(text, 'base64');
    const id = keyIdOf(sealed, place);
    const key = keys.find(id);
    if (!key) throw new DataKeyMissing(`${place} is sealed with the data key ${id}, which is not there`);
    return unseal(key, place, sealed);
  }

  const openWith =
    (openText: typeof openSealed): Open =>
    (column, id, value) => {
      if (value === null) return value;
      const place = `${column}:${id}`;
      if (value.startsWith('c')) return value.slice(1) as typeof value;
      if (!value.startsWith('s')) throw new SealBroken(`The value of ${place} has no known form`);
      return openText(place, value.slice(1)) as typeof value;
    };
  const open = openWith(remembering(openSealed));
  const openForOnce = openWith(openSealed);

  return {
    get isSealed() {
      return isSealed;
    },
    notePhase(sealed) {
      isSealed = sealed;
    },
    seal: (column, id, text) =>
      (text === null
        ? null
        : seal(keys.sealingKey(), `${column}:${id}`, text, random).toString('base64')) as typeof text,
    clear: (text) => (isSealed ? null : text),
    lookupCheck: () => lookup(keys.lookupKey(), 'personal_data.check', '').toString('base64'),
    noteLookupKey(isOwn) {
      isOwnKey = isOwn;
    },
    lookup: (column, text) => lookup(lookupKey(), column, text).toString('base64'),
    grams: (text) => gramsOf(lookupKey(), [text]),
    searched: (query) => gramsOfQuery(lookupKey(), query),
    async opening(work, { bulk = false } = {}) {
      const opens = bulk ? openForOnce : open;
      try {
        return work(opens);
      } catch (error) {
        if (!(error instanceof DataKeyMissing)) throw error;
        await keys.reload();
        return work(opens);
      }
    },
  };
}
