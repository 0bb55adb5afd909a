// The page of a list, which is the answer of an endpoint that lists in pages. Finding and counting rows belongs to the
// stores.

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
 * Returns a page of rows. Each row contains the `total` of the whole list. A page past the end has no row with the
 * total, and only then is `countAll` called.
 */
export async function paged<Row extends { readonly total: number }, Item>(
  rows: readonly Row[],
  { limit, offset }: Page,
  from: { readonly toItem: (row: Row) => Item; readonly countAll: () => Promise<number> },
): Promise<Paged<Item>> {
  const total = rows[0]?.total ?? (offset === 0 ? 0 : await from.countAll());
  return pageOf(rows.map(from.toItem), total, { limit, offset });
}

/** Returns a page of items. `total` is the length of the whole list. */
export function pageOf<Item>(data: Item[], total: number, { limit, offset }: Page): Paged<Item> {
  return { data, pagination: { total, limit, offset, hasMore: offset + data.length < total } };
}
