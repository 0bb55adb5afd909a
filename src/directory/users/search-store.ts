// The queries that find people by the keyed hashes of parts of their names and e-mail addresses. They run in the system
// scope, because row-level security would keep PostgreSQL from using the index. They return ids, except listStored,
// whose names and addresses are only compared. What is shown about a person is read by the caller, in the scope of the
// caller.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';

/** A person who may match, and where the parts of the query were found. */
export interface Candidate {
  readonly id: string;
  readonly inName: boolean;
  readonly inEmail: boolean;
}

/** How many members of an organization one statement looks through. A larger organization is searched by the index. */
export const AT_ONCE_MAX = 2_000;

const COLUMNS = `s.user_id::text AS id, s.name_grams @> $1::text[]::bigint[] AS "inName",
  s.email_grams @> $1::text[]::bigint[] AS "inEmail"`;
const FOUND = '(s.name_grams @> $1::text[]::bigint[] OR s.email_grams @> $1::text[]::bigint[])';
/** SQL for other statements: the candidates, as a query of user_search. $1 grams. */
export const CANDIDATES = `SELECT ${COLUMNS}, s.user_id FROM user_search s WHERE ${FOUND}`;

// $1 grams, $2 organization. In a large organization, no member is compared. The answer has at least one row.
const AMONG_FEW = statement(`
WITH size AS MATERIALIZED (
  SELECT count(*) > ${AT_ONCE_MAX} AS large
  FROM (SELECT FROM memberships m WHERE m.organization_id = $2::uuid LIMIT ${AT_ONCE_MAX + 1}) AS members
),
members AS MATERIALIZED (
  SELECT m.user_id FROM memberships m WHERE NOT (SELECT large FROM size) AND m.organization_id = $2::uuid
)
SELECT size.large, f.* FROM size LEFT JOIN (
  SELECT ${COLUMNS} FROM members JOIN user_search s ON s.user_id = members.user_id WHERE ${FOUND}
) AS f ON true`);
/** The query of a search in a large organization. A test checks its plan. $1 grams, $2 organization. */
export const AMONG_MANY = statement(`
WITH found AS MATERIALIZED (${CANDIDATES})
SELECT f.id, f."inName", f."inEmail" FROM found f JOIN memberships m ON m.user_id = f.user_id
WHERE m.organization_id = $2::uuid`);
const ANYWHERE = statement(`SELECT ${COLUMNS} FROM user_search s WHERE ${FOUND}`);

/** The candidates among the members of a small organization. Null for a large organization. */
export async function findAmongFew(
  tx: SystemReader,
  grams: readonly string[],
  organizationId: string,
): Promise<Candidate[] | null> {
  const rows = await tx.rows<{ large: boolean } & (Candidate | { id: null })>(AMONG_FEW, [grams, organizationId]);
  if (rows[0]?.large) return null;
  return rows.flatMap((row) => (row.id === null ? [] : [row]));
}

/** The candidates among the members of an organization of any size, or among all people. */
export function findByGrams(
  tx: SystemReader,
  grams: readonly string[],
  organizationId: string | null,
): Promise<Candidate[]> {
  return organizationId === null ? tx.rows(ANYWHERE, [grams]) : tx.rows(AMONG_MANY, [grams, organizationId]);
}

// A closed account has nothing to seal.
const IS_UNSEALED = `(u.status <> 'closed'
  AND (u.email_sealed IS NULL OR u.email_lookup IS NULL OR u.name_sealed IS NULL))`;
const UNSEALED = statement(`SELECT u.id::text FROM users u WHERE ${IS_UNSEALED}`);
const FEW_UNSEALED = 1_000;
// When an update of the service begins, millions of rows may be unsealed. Then only the rows of the members are
// checked. Later, few rows are unsealed, and the members may be many. Then only the unsealed rows are checked. $1
// organization.
const UNSEALED_MEMBERS = statement(`
WITH few AS MATERIALIZED (SELECT u.id FROM users u WHERE ${IS_UNSEALED} ORDER BY u.id LIMIT ${FEW_UNSEALED + 1}),
size AS MATERIALIZED (SELECT count(*) > ${FEW_UNSEALED} AS many FROM few)
SELECT few.id::text FROM few WHERE NOT (SELECT many FROM size)
  AND (SELECT count(*) FROM memberships m WHERE m.organization_id = $1::uuid AND m.user_id = few.id) > 0
UNION ALL
SELECT m.user_id::text FROM memberships m WHERE (SELECT many FROM size) AND m.organization_id = $1::uuid
  AND (SELECT ${IS_UNSEALED} FROM users u WHERE u.id = m.user_id)`);

/** The people whose row is not sealed yet, so that its grams may be missing; none once nothing is stored unsealed. */
export async function listUnsealed(tx: SystemReader, organizationId: string | null): Promise<string[]> {
  if (tx.personal.isSealed) return [];
  const [query, values] = organizationId === null ? [UNSEALED, []] : [UNSEALED_MEMBERS, [organizationId]];
  const rows = await tx.rows<{ id: string }>(query, values);
  return rows.map(({ id }) => id);
}

// $1 ids, $2 whether the name is needed, $3 whether the e-mail is needed.
const STORED = statement(`
SELECT u.id::text, CASE WHEN c.in_name THEN ${stored('u.name')} END AS name,
  CASE WHEN c.in_email THEN ${stored('u.email')} END AS email
FROM unnest($1::text[]::uuid[], $2::text[]::boolean[], $3::text[]::boolean[]) AS c (id, in_name, in_email)
JOIN users u ON u.id = c.id`);

/** The candidates with their names and e-mails as they are stored: only those in which the parts were found. */
export function listStored(
  tx: SystemReader,
  candidates: readonly Candidate[],
): Promise<{ readonly id: string; readonly name: string | null; readonly email: string | null }[]> {
  return tx.rows(STORED, [
    candidates.map(({ id }) => id),
    candidates.map(({ inName }) => String(inName)),
    candidates.map(({ inEmail }) => String(inEmail)),
  ]);
}
