// The queries that end the time in which the previous version and this one both run: they count what is unsealed, set
// the phase, and empty the unsealed columns.
import { type Statement, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

const UNSEALED = `
  (SELECT count(*) FROM users
    WHERE (email_sealed IS NULL OR email_lookup IS NULL OR name_sealed IS NULL) AND status <> 'closed')
  + (SELECT count(*) FROM sessions
    WHERE user_agent IS NOT NULL AND user_agent_sealed IS NULL OR ip IS NOT NULL AND ip_sealed IS NULL)
  + (SELECT count(*) FROM invitations WHERE email_sealed IS NULL OR email_lookup IS NULL)
  + (SELECT count(*) FROM outbox WHERE recipient_key IS NOT NULL AND recipient_lookup IS NULL)`;
const STATE = statement(`SELECT phase, (${UNSEALED})::int AS unsealed FROM personal_data`);

export interface SealingState {
  readonly phase: 'expanding' | 'sealed';
  /** The number of rows that are not sealed. */
  readonly unsealed: number;
}

export async function readSealing(tx: SystemReader): Promise<SealingState> {
  const [row] = await tx.rows<SealingState>(STATE, []);
  if (!row) throw new Error('The table personal_data is empty');
  return row;
}

// Nobody may wait long behind a lock that waits for a long transaction.
const BRIEF = statement(`SELECT set_config('lock_timeout', '2s', true)`);
const LOCK = statement('LOCK TABLE users, sessions, invitations, outbox IN SHARE ROW EXCLUSIVE MODE');
const SEAL = statement(`
UPDATE personal_data SET phase = 'sealed', changed_at = clock_timestamp()
WHERE phase = 'expanding' AND (${UNSEALED}) = 0 RETURNING phase`);

/**
 * Sets the phase to `sealed`, if every row is sealed. Until the end of the transaction nobody writes to these tables,
 * so that no unsealed row can be added meanwhile. Returns false when a row is not sealed.
 */
export async function markSealed(tx: SystemTx): Promise<boolean> {
  await tx.rows(BRIEF, []);
  await tx.rows(LOCK, []);
  return (await tx.rows(SEAL, [])).length > 0;
}

const CLEARED_AT_ONCE = 500;
// Only rows whose sealed value is there lose the unsealed one. $1 the id after which the slice begins.
const clearing = (table: string, columns: readonly string[], isSealed: string) =>
  statement(`
WITH slice AS MATERIALIZED (SELECT id FROM ${table} WHERE id > $1::uuid ORDER BY id LIMIT ${CLEARED_AT_ONCE} FOR NO KEY UPDATE),
kept AS (SELECT set_config('app.sealing', 'on', true) AS sealing),
cleared AS (
  UPDATE ${table} t SET ${columns.map((column) => `${column} = NULL`).join(', ')} FROM slice, kept
  WHERE t.id = slice.id AND (${columns.map((column) => `t.${column} IS NOT NULL`).join(' OR ')}) AND ${isSealed}
    AND kept.sealing = 'on' RETURNING 1
)
SELECT (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*)::int FROM slice) AS rows,
  (SELECT count(*)::int FROM cleared) AS cleared`);

const CLEARING: readonly Statement[] = [
  clearing('users', ['email', 'email_key', 'name'], 't.email_sealed IS NOT NULL AND t.name_sealed IS NOT NULL'),
  clearing(
    'sessions',
    ['user_agent', 'ip', 'child_reissued_to'],
    '(t.user_agent IS NULL OR t.user_agent_sealed IS NOT NULL) AND (t.ip IS NULL OR t.ip_sealed IS NOT NULL)',
  ),
  clearing('invitations', ['email', 'email_key'], 't.email_sealed IS NOT NULL'),
  clearing('outbox', ['recipient_key'], 't.recipient_lookup IS NOT NULL'),
];

/** The number of tables that have unsealed columns. */
export const CLEARED_TABLES = CLEARING.length;

/** Empties the unsealed columns of the next rows of a table. `last` is null when there are no more rows. */
export async function clearSlice(
  tx: SystemTx,
  table: number,
  after: string,
): Promise<{ readonly last: string | null; readonly rows: number; readonly cleared: number }> {
  const query = CLEARING[table];
  if (!query) return { last: null, rows: 0, cleared: 0 };
  const [row] = await tx.rows<{ last: string | null; rows: number; cleared: number }>(query, [after]);
  return row ?? { last: null, rows: 0, cleared: 0 };
}

const ROWS = statement(`
SELECT ((SELECT count(*) FROM users) + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM invitations)
  + (SELECT count(*) FROM outbox))::int AS total`);

/** The number of rows in the tables that have unsealed columns. */
export async function countRows(tx: SystemReader): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(ROWS, []);
  return row?.total ?? 0;
}

const CLEAR_LEFT = statement(`
SELECT EXISTS (SELECT FROM users WHERE email IS NOT NULL OR name IS NOT NULL)
  OR EXISTS (SELECT FROM sessions WHERE user_agent IS NOT NULL OR ip IS NOT NULL OR child_reissued_to IS NOT NULL)
  OR EXISTS (SELECT FROM invitations WHERE email IS NOT NULL)
  OR EXISTS (SELECT FROM outbox WHERE recipient_key IS NOT NULL) AS left`);

/** Whether any row still has an unsealed value. */
export async function hasClearValues(tx: SystemReader): Promise<boolean> {
  const [row] = await tx.rows<{ left: boolean }>(CLEAR_LEFT, []);
  return row?.left ?? false;
}
