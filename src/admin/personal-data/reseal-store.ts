// The queries that seal values again with another key, and that count how many values each key has sealed.
import { type Statement, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { SEALED_COLUMNS, type SealedColumn } from '../../base/secrets/personal.ts';

/** This many values are sealed again in one transaction. */
const RESEALED_AT_ONCE = 200;
/** This many rows are looked at in one statement. Most of them may have been sealed again by an earlier run. */
const LOOKED_AT_ONCE = 2_000;

export interface SealedValue {
  readonly id: string;
  /** In base64. */
  readonly sealed: string;
}

// A table and its unsealed column; the sealed one is beside it.
const placeOf = (column: SealedColumn) => column.split('.') as [string, string];

// $1 the id after which the rows begin, $2 the id of the key that seals now. The answer has at least one row.
const OTHERS = statementsFor(
  (table, column) => `
WITH slice AS MATERIALIZED (
  SELECT id, ${column}_sealed AS sealed FROM ${table} WHERE id > $1::uuid ORDER BY id LIMIT ${LOOKED_AT_ONCE}
)
SELECT s.last, o.* FROM (SELECT (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS last) AS s LEFT JOIN (
  SELECT id::text, encode(sealed, 'base64') AS sealed FROM slice
  WHERE substr(sealed, 1, 4) <> decode($2, 'hex') ORDER BY id LIMIT ${RESEALED_AT_ONCE}
) AS o ON true ORDER BY o.id`,
);

/** Values of the next rows that a key other than this one has sealed. `last` is null when there are no more rows. */
export async function listValuesOfOthers(
  tx: SystemReader,
  column: SealedColumn,
  after: string,
  keyId: string,
): Promise<{ readonly values: readonly SealedValue[]; readonly last: string | null }> {
  const rows = await tx.rows<{ last: string | null } & (SealedValue | { id: null })>(OTHERS[column], [after, keyId]);
  const values = rows.flatMap((row) => (row.id === null ? [] : [{ id: row.id, sealed: row.sealed }]));
  const isCut = values.length === RESEALED_AT_ONCE;
  return { values, last: (isCut ? values.at(-1)?.id : rows[0]?.last) ?? null };
}

// A value that was changed meanwhile is sealed with the newest key anyway. With `app.sealing`, an update of an
// invitation keeps its token. $1 ids, $2 sealed values before, $3 sealed values from now on.
const REPLACE = statementsFor(
  (table, column) => `
WITH kept AS MATERIALIZED (SELECT set_config('app.sealing', 'on', true) AS sealing),
given AS MATERIALIZED (SELECT g.* FROM unnest($1::text[]::uuid[], $2::text[], $3::text[]) AS g (id, before, sealed)),
locked AS (
  SELECT t.id FROM ${table} t WHERE t.id IN (SELECT id FROM given) ORDER BY t.id FOR NO KEY UPDATE
),
done AS (
  UPDATE ${table} t SET ${column}_sealed = decode(g.sealed, 'base64') FROM given g JOIN locked l ON l.id = g.id, kept
  WHERE t.id = g.id AND t.${column}_sealed = decode(g.before, 'base64') AND kept.sealing = 'on' RETURNING 1
)
SELECT count(*)::int AS total FROM done`,
);

export interface ResealedValue extends SealedValue {
  readonly before: string;
}

/** Stores the values. Returns how many were still the same as before. */
export async function replaceValues(
  tx: SystemTx,
  column: SealedColumn,
  values: readonly ResealedValue[],
): Promise<number> {
  const ids = values.map(({ id }) => id);
  const [row] = await tx.rows<{ total: number }>(REPLACE[column], [
    ids,
    values.map(({ before }) => before),
    values.map(({ sealed }) => sealed),
  ]);
  return row?.total ?? 0;
}

const COUNT = statementsFor(
  (table, column) => `
SELECT encode(substr(${column}_sealed, 1, 4), 'hex') AS "keyId", count(*)::int AS total FROM ${table}
WHERE ${column}_sealed IS NOT NULL GROUP BY 1`,
);

/** For each key, how many values of the column it has sealed. */
export function countByKey(
  tx: SystemReader,
  column: SealedColumn,
): Promise<{ readonly keyId: string; readonly total: number }[]> {
  return tx.rows(COUNT[column], []);
}

function statementsFor(write: (table: string, column: string) => string): Readonly<Record<SealedColumn, Statement>> {
  const entries = SEALED_COLUMNS.map((column) => [column, statement(write(...placeOf(column)))]);
  return Object.fromEntries(entries) as Record<SealedColumn, Statement>;
}
