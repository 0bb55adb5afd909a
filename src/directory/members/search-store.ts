// The queries that search the members of a large organization. They run in the system scope, because row-level security
// would keep PostgreSQL from using the index of the parts of names. They return the ids of people, but not their names
// or addresses.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { CANDIDATES, type Candidate } from '../users/search-store.ts';
import { type MemberFilter, type Page, wanted } from './list-store.ts';

// $1 grams, $2 organization, $3 status or null, $4 id or name of a role, or null.
const MATCHING = `
WITH found AS MATERIALIZED (${CANDIDATES}),
matching AS MATERIALIZED (
  SELECT f.*, m.joined_at FROM found f JOIN memberships m ON m.user_id = f.user_id WHERE ${wanted(2)}
)`;

// $1 to $4 are the parameters of MATCHING, $5 is the limit, $6 the offset. The answer has at least one row.
const FIND_PAGE = statement(`${MATCHING}
SELECT w.total, p.id FROM (SELECT count(*)::int AS total FROM matching) AS w LEFT JOIN (
  SELECT id, joined_at, user_id FROM matching ORDER BY joined_at, user_id LIMIT $5::int OFFSET $6::int
) AS p ON true ORDER BY p.joined_at, p.user_id`);

/** What to search for. The grams are those of a query (base/secrets/grams.ts). */
export interface Sought {
  readonly organizationId: string;
  readonly grams: readonly string[];
  readonly filter: MemberFilter;
}

function valuesOf({ grams, organizationId, filter: { status, role } }: Sought) {
  return [grams, organizationId, status ?? null, role ?? null];
}

/** A page of the members who have all grams and match the filter, in the order in which they joined. */
export async function findMatchingPage(
  tx: SystemReader,
  sought: Sought,
  page: Page,
): Promise<{ readonly ids: string[]; readonly total: number }> {
  const values = [...valuesOf(sought), page.limit, page.offset];
  const rows = await tx.rows<{ total: number; id: string | null }>(FIND_PAGE, values);
  return { ids: rows.flatMap(({ id }) => (id === null ? [] : [id])), total: rows[0]?.total ?? 0 };
}

// $1 to $4 are the parameters of MATCHING.
const LIST_CANDIDATES = statement(`${MATCHING}
SELECT id, "inName", "inEmail" FROM matching ORDER BY joined_at, user_id`);

/**
 * All members who have all grams and match the filter. The caller compares the query with the name or e-mail of each.
 */
export function listMatching(tx: SystemReader, sought: Sought): Promise<Candidate[]> {
  return tx.rows<Candidate>(LIST_CANDIDATES, valuesOf(sought));
}
