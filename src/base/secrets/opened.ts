// Remembers values that were opened a moment ago, because opening costs more than the rest of many reads, and the same
// person is read again and again. An entry belongs to a place and a sealed text. A change of either leads to another
// entry, so an entry never becomes wrong.

/** The maximum number of entries. They take about 2 MB with values of usual lengths. */
const ENTRIES_MAX = 4_000;
/** Longer values are not remembered. They are rare, and would make the limit of entries useless. */
const SEALED_LENGTH_MAX = 400;

/**
 * Returns a function that does the same as `open` and remembers the results. `sealed` is the sealed text as it is
 * stored. An error is not remembered.
 */
export function remembering(
  open: (place: string, sealed: string) => string,
): (place: string, sealed: string) => string {
  const opened = new Map<string, string>(); // a Map keeps the order of insertion
  return (place, sealed) => {
    if (sealed.length > SEALED_LENGTH_MAX) return open(place, sealed);
    const entry = `${place}:${sealed}`;
    const known = opened.get(entry);
    const text = known ?? open(place, sealed);
    if (known !== undefined) opened.delete(entry);
    opened.set(entry, text);
    if (opened.size > ENTRIES_MAX) opened.delete(opened.keys().next().value as string);
    return text;
  };
}
