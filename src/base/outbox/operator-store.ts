// The queries of operators. They list the mails of the outbox, and retry or drop them.
import { type SystemReader, type SystemTx, statement } from '../database/db.ts';
import type { MailState } from './operate.ts';

// The previous version stored no outcome of a mail that was done: the mail may have been sent, or was unwanted.
const STATE = `CASE WHEN due_at IS NOT NULL THEN 'waiting' WHEN done_at IS NULL THEN 'dead' ELSE coalesce(outcome, 'done') END`;

export interface StoredMail {
  readonly id: string;
  readonly kind: string;
  readonly state: MailState;
  readonly organizationId: string | null;
  readonly userId: string | null;
  readonly subjectId: string;
  readonly attempts: number;
  readonly createdAt: Date;
  /** Null for a mail that is not waiting. */
  readonly dueAt: Date | null;
  readonly triedAt: Date | null;
  readonly doneAt: Date | null;
  readonly failure: string | null;
}

const COLUMNS = `id::text, kind, ${STATE} AS state, organization_id::text AS "organizationId", user_id::text AS "userId",
  subject_id::text AS "subjectId", attempts, created_at AS "createdAt", due_at AS "dueAt", tried_at AS "triedAt",
  done_at AS "doneAt", failure`;
const LIST = statement(`
SELECT ${COLUMNS}, (count(*) OVER ())::int AS total FROM outbox WHERE $1::text IS NULL OR ${STATE} = $1
ORDER BY created_at DESC, id DESC LIMIT $2::int OFFSET $3::int`);
const COUNT = statement(`SELECT count(*)::int AS total FROM outbox WHERE $1::text IS NULL OR ${STATE} = $1`);

/** Lists the mails of a state, the newest first. With the state null, lists the mails of all states. */
export function listMailRows(
  tx: SystemReader,
  state: MailState | null,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<(StoredMail & { readonly total: number })[]> {
  return tx.rows(LIST, [state, limit, offset]);
}

export async function countMails(tx: SystemReader, state: MailState | null): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [state]);
  return row?.total ?? 0;
}

const KNOWN = statement('SELECT id::text FROM outbox WHERE id = ANY($1::uuid[])');

/** Lists those of these ids that have a mail. */
export async function listKnown(tx: SystemReader, ids: readonly string[]): Promise<string[]> {
  return (await tx.rows<{ id: string }>(KNOWN, [ids])).map(({ id }) => id);
}

// The rows are locked in one order, so that two operators who change the same mails wait for each other instead of
// failing.
const STATES = statement(`
SELECT id::text, ${STATE} AS state FROM outbox WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE`);

/** Locks the mails with these ids and lists their states. An id without a mail is left out. */
export function lockStates(tx: SystemTx, ids: readonly string[]): Promise<{ id: string; state: MailState }[]> {
  return tx.rows(STATES, [ids]);
}

const DEAD = statement(`
SELECT id::text FROM outbox WHERE due_at IS NULL AND done_at IS NULL ORDER BY created_at, id LIMIT $1::int`);

/** Lists the ids of the oldest dead mails, at most `count`. */
export async function listDead(tx: SystemReader, count: number): Promise<string[]> {
  return (await tx.rows<{ id: string }>(DEAD, [count])).map(({ id }) => id);
}

export interface ChangedMail {
  readonly id: string;
  readonly kind: string;
  readonly organizationId: string | null;
  readonly subjectId: string;
}

const CHANGED = `RETURNING id::text, kind, organization_id::text AS "organizationId", subject_id::text AS "subjectId"`;
const REVIVE = statement(`
UPDATE outbox SET due_at = clock_timestamp(), attempts = 0
WHERE id = ANY($1::uuid[]) AND due_at IS NULL AND done_at IS NULL ${CHANGED}`);

/** Of these mails, makes the dead ones due now. Each gets all its attempts again. */
export function updateDeadToDue(tx: SystemTx, ids: readonly string[]): Promise<ChangedMail[]> {
  return tx.rows(REVIVE, [ids]);
}

const DROP = statement(`
UPDATE outbox SET due_at = NULL, done_at = clock_timestamp(), outcome = 'dropped'
WHERE id = ANY($1::uuid[]) AND done_at IS NULL ${CHANGED}`);

/** Of these mails, drops those that are dead or waiting. No further attempt to send them is made. */
export function markDropped(tx: SystemTx, ids: readonly string[]): Promise<ChangedMail[]> {
  return tx.rows(DROP, [ids]);
}
