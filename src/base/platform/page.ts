// Pages of a list: the answer that every list gives. How rows are found and counted is the stores' matter.

/** What is asked for: at most so many rows, after so many others. */
export interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** One page of a list with its place in the whole. */
export interface Paged<Item> {
  readonly data: Item[];
  readonly pagination: Page & { readonly total: number; readonly hasMore: boolean };
}

/**
 * The page of rows that each carry the `total` of the whole list. A page past the end has no row to carry it: only then
 * `countAll` is asked.
 */
export async function paged<Row extends { readonly total: number }, Item>(
  rows: readonly Row[],
  { limit, offset }: Page,
  from: { readonly toItem: (row: Row) => Item; readonly countAll: () => Promise<number> },
): Promise<Paged<Item>> {
  const total = rows[0]?.total ?? (offset === 0 ? 0 : await from.countAll());
  return { data: rows.map(from.toItem), pagination: { total, limit, offset, hasMore: offset + rows.length < total } };
}
