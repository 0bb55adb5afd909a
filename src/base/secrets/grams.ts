// Finds parts of sealed texts. A text is stored as the keyed hashes of all its parts of one, two and three characters.
// A text that contains the query has all parts of the query. The reverse is true only for a query of at most three
// characters, so the texts that a longer query finds have to be opened and compared.
import { type LookupKey, lookup } from './lookup.ts';

const LONGEST = 3;
const PURPOSE = 'search';
/**
 * The maximum number of parts of a query that are searched for. PostgreSQL compares each part of a query with all parts
 * of a text. One character may stand for eighteen (U+FDFA), so a long query has hundreds of parts, and a few hundred
 * texts made for it would take seconds. This many parts suffice to find the few candidates of an ordinary query.
 */
const QUERY_PARTS_MAX = 16;
const ONLY_ASCII = /^[\0-\x7f]*$/;

/**
 * The form in which texts are compared. Compatible forms of a character count as one (NFKC), and so do upper and lower
 * case. ß equals ss, and the two small sigmas are equal, because the lower case of a word may have either.
 */
export function normalForm(text: string): string {
  if (ONLY_ASCII.test(text)) return text.toLowerCase(); // the same, in a tenth of the time
  return text.normalize('NFKC').toUpperCase().toLowerCase().replaceAll('ς', 'σ');
}

/** Whether the text contains the query, as a search finds it. */
export function contains(text: string, query: string): boolean {
  return containing(query)(text);
}

/** Returns the function which says whether a text contains the query. */
export function containing(query: string): (text: string) => boolean {
  const sought = normalForm(query);
  return (text) => normalForm(text).includes(sought);
}

function partsOf(characters: readonly string[], length: number): string[] {
  return characters.slice(0, Math.max(0, characters.length - length + 1)).map((_, at) => {
    return characters.slice(at, at + length).join('');
  });
}

// PostgreSQL stores the first 64 bits of a hash as a signed number.
const numberOf = (key: LookupKey, part: string) => lookup(key, PURPOSE, part).readBigInt64BE(0).toString();

/** The hashes of all parts of these texts, each once. They are decimal numbers of 64 bits, sorted. */
export function gramsOf(key: LookupKey, texts: readonly string[]): string[] {
  const parts = new Set<string>();
  for (const text of texts) {
    const characters = Array.from(normalForm(text));
    for (let length = 1; length <= LONGEST; length += 1) {
      for (const part of partsOf(characters, length)) parts.add(part);
    }
  }
  // The order of the parts in the text must not show.
  return Array.from(parts, (part) => numberOf(key, part)).sort();
}

export interface SearchedGrams {
  /** A text that contains the query has all of these hashes. If there are none, every text contains the query. */
  readonly grams: readonly string[];
  /** Whether every text with all of `grams` contains the query. Otherwise such a text has to be opened and compared. */
  readonly isExact: boolean;
}

/** At most `max` of the parts, from the whole query, because many texts may begin in the same way. */
function evenlyAmong(parts: readonly string[], max: number): readonly string[] {
  if (parts.length <= max) return parts;
  return Array.from({ length: max }, (_, at) => parts[Math.floor((at * parts.length) / max)] ?? '');
}

/** Returns the hashes to search for, and whether they decide alone. */
export function gramsOfQuery(key: LookupKey, query: string): SearchedGrams {
  const characters = Array.from(normalForm(query));
  const parts = new Set(partsOf(characters, Math.min(LONGEST, characters.length)));
  parts.delete('');
  const asked = evenlyAmong([...parts], QUERY_PARTS_MAX);
  return { grams: asked.map((part) => numberOf(key, part)), isExact: characters.length <= LONGEST };
}
