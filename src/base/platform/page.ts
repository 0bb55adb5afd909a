// The pages that every list answers with. Finding and counting rows belongs to the stores.

/** The requested page: at most `limit` rows, after the first `offset` rows. */
export interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** One page of a list, with its position in the whole list. */
export interface Paged<Item> {
  readonly data: Item[];
  readonly pagination: Page & { readonly total: number; readonly hasMore: boolean };
}

/**
 * Makes a page of rows, each of which carries the `total` of the whole list. A page past the end has no row with the
 * total: only then `countAll` is called.
 */
export async function paged<Row extends { readonly total: number }, Item>(
  rows: readonly Row[],
  { limit, offset }: Page,
  from: { readonly toItem: (row: Row) => Item; readonly countAll: () => Promise<number> },
): Promise<Paged<Item>> {
  const total = rows[0]?.total ?? (offset === 0 ? 0 : await from.countAll());
  return { data: rows.map(from.toItem), pagination: { total, limit, offset, hasMore: offset + rows.length < total } };
}
