// The queries that end everything after a backup was restored, in one transaction of the system scope.
import { DatabaseUnavailable, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { CURRENT_LINEAGE } from '../../base/database/probe.ts';
import type { Revoking } from '../../base/revoking/publish.ts';
import { NIL_ID } from '../../protocol/id.ts';

/** How many sessions and invitation tokens end, and how many users and clients have their access tokens ended. */
export interface EndedCounts {
  readonly sessions: number;
  readonly users: number;
  readonly clients: number;
  readonly invitations: number;
}

// Transactions write these tables in different orders: a change of members locks its organization first, a registration
// writes its user first. So no order of the locks is safe from a deadlock. This transaction keeps no lock while it
// waits for another one for long: after a short wait, which ends before PostgreSQL looks for a deadlock, it releases
// all locks and requests them again. This mode also waits for transactions that have only locked rows. So once all
// tables are locked, no other transaction holds a row that this one updates. Readers do not wait.
const LOCK = statement(`
DO $$
BEGIN
  PERFORM set_config('lock_timeout', '150ms', true);
  LOOP
    BEGIN
      LOCK TABLE organizations, users, memberships, clients, sessions, invitations, one_time_tokens,
        registrations IN EXCLUSIVE MODE;
      EXIT;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
      PERFORM pg_sleep(0.1);
    END;
  END LOOP;
  PERFORM set_config('lock_timeout', '0', true);
END $$`);

/**
 * Waits for running transactions that change or lock rows of these tables. New ones wait until this transaction ends.
 */
export async function lockEverything(tx: SystemTx): Promise<void> {
  await tx.rows(LOCK, []);
}

const IS_PAST = statement('SELECT $1::text::timestamptz <= clock_timestamp() AS "isPast"');

/** Whether an instant is in the past, by the database's clock. */
export async function isPast(tx: SystemReader | SystemTx, instant: string): Promise<boolean> {
  const [row] = await tx.rows<{ isPast: boolean }>(IS_PAST, [instant]);
  return row?.isPast ?? false;
}

const SESSIONS = 'sessions WHERE revoked_at IS NULL AND created_at < $1::text::timestamptz';
const INVITATIONS = 'invitations WHERE token_hash IS NOT NULL AND created_at < $1::text::timestamptz';

const COUNT = statement(`
SELECT (SELECT count(*)::int FROM ${SESSIONS}) AS sessions, (SELECT count(*)::int FROM users) AS users,
  (SELECT count(*)::int FROM clients) AS clients, (SELECT count(*)::int FROM ${INVITATIONS}) AS invitations`);

/** Returns the counts that markEverythingEnded would return. Ends nothing. */
export async function countEverything(tx: SystemTx, restoredAt: string): Promise<EndedCounts> {
  const [row] = await tx.rows<EndedCounts>(COUNT, [restoredAt]);
  return row ?? { sessions: 0, users: 0, clients: 0, invitations: 0 };
}

const END_SESSIONS = statement(`
WITH ended AS (
  UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = 'backup_restored'
  WHERE revoked_at IS NULL AND created_at < $1::text::timestamptz RETURNING 1
)
SELECT count(*)::int AS total FROM ended`);

// No user, client or organization can have received more new epochs than this between the backup and its restore.
const EPOCHS_PASSED = 1_000_000;
const raise = (table: 'users' | 'clients') =>
  statement(`
WITH raised AS (UPDATE ${table} SET epoch = epoch + ${EPOCHS_PASSED} RETURNING 1)
SELECT count(*)::int AS total FROM raised`);
const RAISE_USERS = raise('users');
const RAISE_CLIENTS = raise('clients');
// The epoch of a membership is always a value that the epoch of its user has had.
const RAISE_MEMBERSHIPS = statement(`
UPDATE memberships m SET epoch = u.epoch FROM users u WHERE u.id = m.user_id`);
const RAISE_ROLES = statement(`UPDATE organizations SET roles_epoch = roles_epoch + ${EPOCHS_PASSED}`);

const END_INVITATION_TOKENS = statement(`
WITH ended AS (
  UPDATE invitations SET token_hash = NULL
  WHERE token_hash IS NOT NULL AND created_at < $1::text::timestamptz RETURNING 1
)
SELECT count(*)::int AS total FROM ended`);

// One revocation ends all sessions and all tokens of users and clients.
const ANNOUNCE = statement(`
WITH announced AS (
  INSERT INTO revocations (id, kind, subject, not_before)
  VALUES (gen_random_uuid(), 'everything', '${NIL_ID}', $1::text::timestamptz)
  RETURNING not_before
)
SELECT ceil(extract(epoch FROM not_before))::float8 AS not_before FROM announced`);

/** Ends every session, access token and invitation token from before an instant, and writes the revocation. */
export async function markEverythingEnded(tx: SystemTx, restoredAt: string): Promise<EndedCounts & Revoking> {
  const total = async (...asked: Parameters<typeof tx.rows>) => {
    const [row] = await tx.rows<{ total: number }>(...asked);
    return row?.total ?? 0;
  };
  const users = await total(RAISE_USERS, []);
  await tx.rows(RAISE_MEMBERSHIPS, []);
  await tx.rows(RAISE_ROLES, []);
  const clients = await total(RAISE_CLIENTS, []);
  const sessions = await total(END_SESSIONS, [restoredAt]);
  const invitations = await total(END_INVITATION_TOKENS, [restoredAt]);
  const rows = await tx.rows<{ not_before: number }>(ANNOUNCE, [restoredAt]);
  const revocations = rows.map(({ not_before }) => ({ kind: 'everything', not_before }) as const);
  return { sessions, users, clients, invitations, revocations };
}

const LINEAGE = statement(`SELECT ${CURRENT_LINEAGE} AS lineage`);

/** The server and timeline of the database; null where the roles of the service may not read them. */
export async function findLineage(tx: SystemReader): Promise<string | null> {
  const rows = await tx.rows<{ lineage: string }>(LINEAGE, []).catch((error: unknown) => {
    if (error instanceof DatabaseUnavailable) throw error;
    return [];
  });
  return rows[0]?.lineage ?? null;
}

// The row is missing when no process of this version has used the database. The first process then accepts the database
// as it is.
const DECIDE = statement(`
WITH former AS (SELECT doubted_at FROM database_lineage FOR UPDATE),
decided AS (
  UPDATE database_lineage SET lineage = coalesce($1::text, lineage), accepted = coalesce($1, lineage), doubted_at = NULL,
    reason = NULL, changed_at = clock_timestamp() WHERE EXISTS (SELECT FROM former) RETURNING 1
)
SELECT f.doubted_at AS "doubtedAt" FROM former f, decided`);

/** Ends the doubt about a database that was set back. Returns when the doubt began; null if there was none. */
export async function markDecided(tx: SystemTx, lineage: string | null): Promise<Date | null> {
  const [row] = await tx.rows<{ doubtedAt: Date | null }>(DECIDE, [lineage]);
  return row?.doubtedAt ?? null;
}
