// The queries of sending. They insert requested mails, claim due mails, and write the result of each.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../database/db.ts';
import type { NewMail } from './enqueue.ts';
import type { MailRow } from './kinds.ts';

const ONCE = `
ON CONFLICT (organization_id, kind, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING`;
const NEW = 'id, organization_id, kind, subject_id, recipient_key, actor_id, user_id, dedupe_key, recipient_lookup';
// $1 mail, $2 organization, $3 kind, $4 subject, $5 recipient key, null once nothing is stored unsealed, $6 actor, $7
// user, $8 dedupe key, $9 lookup of the recipient; $2 and $5 to $9 may be null.
const VALUES = `$1::uuid, $2::uuid, $3, $4::uuid, $5, $6::uuid, $7::uuid, $8, decode($9, 'base64')`;
const INSERT = statement(`INSERT INTO outbox (${NEW}) VALUES (${VALUES})${ONCE}`);
// $1 to $9 as in VALUES, $10 the time when the mail is due.
const INSERT_DUE_AT = statement(`INSERT INTO outbox (${NEW}, due_at) VALUES (${VALUES}, $10::timestamptz)${ONCE}`);

/**
 * SQL: requests mails in the statement of their cause. `wanted` is a query of `id`, `kind`, `subject_id`, `user_id` and
 * `dedupe_key`, which is not null: while a row with the same kind and key exists, no further row is written.
 */
export const requestMailSql = (wanted: string) => `
INSERT INTO outbox (id, kind, subject_id, user_id, dedupe_key) ${wanted}${ONCE}`;

function valuesOf({ personal }: OrganizationTx | SystemTx, mail: NewMail): unknown[] {
  const { id, organizationId, kind, subjectId, recipientKey, actorId, userId, dedupeKey } = mail;
  const isCounted = recipientKey !== undefined;
  const clear = isCounted ? personal.clear(recipientKey) : null;
  const found = isCounted ? personal.lookup('outbox.recipient', recipientKey) : null;
  return [id, organizationId, kind, subjectId, clear, actorId, userId, dedupeKey, found].map((value) => value ?? null);
}

/** Inserts a mail that is due now. Does nothing when a row with the same organization, kind and dedupe key exists. */
export async function insertMail(tx: OrganizationTx | SystemTx, mail: NewMail): Promise<void> {
  await tx.rows(INSERT, valuesOf(tx, mail));
}

/**
 * Inserts a mail that is due at `dueAt`. The function takes a SystemTx, because an organization cannot choose the time
 * of its mails.
 */
export async function insertMailDueAt(tx: SystemTx, mail: NewMail, dueAt: Date): Promise<void> {
  await tx.rows(INSERT_DUE_AT, [...valuesOf(tx, mail), dueAt.toISOString()]);
}

export interface ClaimedMail extends MailRow {
  /** The number of attempts, including this one. */
  readonly attempts: number;
  /** The time of the claim, to the microsecond. */
  readonly triedAt: string;
}

/** The senders take turns among this number of mails that have been due longest, and as many that became due last. */
const TURNS_AMONG = 1_000;

const dueMails = (order: 'ASC' | 'DESC') => `
(SELECT id, coalesce(organization_id, user_id, subject_id) AS sender, due_at FROM outbox
  WHERE due_at <= statement_timestamp() AND kind = ANY($3::text[]) ORDER BY due_at ${order} LIMIT ${TURNS_AMONG})`;

// The first mail of each sender comes before the second one of any, so that a sender with many mails does not delay the
// others. Mails that were claimed recently count, too: otherwise a few senders with many old mails would have every
// turn. The mails that became due last are there for senders who come after thousands of mails of another one. $1
// number of mails, $2 seconds of the lease, $3 kinds, $4 the senders of recent claims.
const CLAIM = statement(`
WITH waiting AS (${dueMails('ASC')} UNION ${dueMails('DESC')}),
recent AS (SELECT sender, count(*) AS mails FROM unnest($4::uuid[]) AS sender GROUP BY sender),
turns AS MATERIALIZED (
  SELECT w.id, w.due_at, coalesce(r.mails, 0) + row_number() OVER (PARTITION BY w.sender ORDER BY w.due_at) AS turn
  FROM waiting w LEFT JOIN recent r ON r.sender = w.sender
),
due AS (
  SELECT o.id FROM turns t JOIN outbox o ON o.id = t.id WHERE o.due_at <= clock_timestamp()
  ORDER BY t.turn, t.due_at LIMIT $1::int FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbox o SET attempts = o.attempts + 1, tried_at = clock_timestamp(),
  due_at = clock_timestamp() + $2::float8 * interval '1 second'
FROM due WHERE o.id = due.id
RETURNING o.id::text, o.kind, o.organization_id::text AS "organizationId", o.user_id::text AS "userId",
  o.subject_id::text AS "subjectId", o.created_at AS "requestedAt", o.attempts, o.tried_at::text AS "triedAt"`);

/** The id of the sender of a mail: its organization, or else the person, or else what the mail is about. */
export function senderOf({ organizationId, userId, subjectId }: MailRow): string {
  return organizationId ?? userId ?? subjectId;
}

export interface Claiming {
  readonly kinds: readonly string[];
  /** The maximum number of mails to claim. */
  readonly count: number;
  readonly leaseSeconds: number;
  /** The senders of mails that were claimed recently, once for each mail. */
  readonly recentSenders: readonly string[];
}

/**
 * Claims due mails of these kinds. No other process gets them for `leaseSeconds`, unless their result is written
 * earlier. The senders take turns.
 */
export function claimMails(
  tx: SystemReader,
  { kinds, count, leaseSeconds, recentSenders }: Claiming,
): Promise<ClaimedMail[]> {
  return tx.rows<ClaimedMail>(CLAIM, [count, leaseSeconds, kinds, recentSenders]);
}

// The claim is identified by `attempts` and `tried_at`: after an operator's retry the attempts start again from 0.
// $1 to $3 are the values of own().
const OWN = `id = $1::uuid AND attempts = $2::int AND tried_at = $3::timestamptz AND done_at IS NULL AND due_at IS NOT NULL`;
const own = ({ id, attempts, triedAt }: ClaimedMail) => [id, attempts, triedAt];

const HOLD = statement(`SELECT 1 AS held FROM outbox WHERE ${OWN} AND due_at > clock_timestamp() FOR UPDATE`);

/**
 * Returns whether the claim is still valid. A valid claim is locked, and no other process claims the mail before the
 * end of the transaction.
 */
export async function lockClaim(tx: SystemTx, mail: ClaimedMail): Promise<boolean> {
  return (await tx.rows(HOLD, own(mail))).length > 0;
}

// There are two statements, so that each finds its rows by the index that begins with the organization.
const newest = (organization: string) => `
SELECT NOT EXISTS (
  SELECT FROM outbox n WHERE n.organization_id ${organization} AND n.kind = b.kind
    AND n.subject_id = b.subject_id AND n.created_at > b.created_at) AS newest
FROM outbox b WHERE b.id = $1::uuid`;
const NEWEST_OF_ORGANIZATION = statement(newest('= $2::uuid'));
const NEWEST_OF_NONE = statement(newest('IS NULL'));

/** Returns whether this mail is the newest requested mail of its kind about its subject. */
export async function isNewestMail(tx: SystemTx, { id, organizationId }: MailRow): Promise<boolean> {
  const query = organizationId === null ? NEWEST_OF_NONE : NEWEST_OF_ORGANIZATION;
  const [row] = await tx.rows<{ newest: boolean }>(query, organizationId === null ? [id] : [id, organizationId]);
  return row?.newest ?? false;
}

// These statements require a valid claim, because a process that has lost its claim must not change the mail. $1 to $3
// as in OWN, $4 outcome.
const DONE = statement(`
UPDATE outbox SET done_at = clock_timestamp(), due_at = NULL, failure = NULL, outcome = $4 WHERE ${OWN}`);

/** Marks a mail as sent, or as a mail that is never sent. */
export async function markMailDone(tx: SystemReader, mail: ClaimedMail, outcome: 'sent' | 'unwanted'): Promise<void> {
  await tx.rows(DONE, [...own(mail), outcome]);
}

// $1 to $3 as in OWN, $4 failure, $5 seconds until the next attempt, null for none.
const FAILED = statement(`
UPDATE outbox SET failure = $4, due_at = clock_timestamp() + $5::float8 * interval '1 second' WHERE ${OWN}`);

/** Marks a mail as failed. It is tried again after `againSeconds`; with null it is dead. */
export async function markMailFailed(
  tx: SystemReader,
  mail: ClaimedMail,
  failure: string,
  againSeconds: number | null,
): Promise<void> {
  await tx.rows(FAILED, [...own(mail), failure, againSeconds]);
}

// $1 to $3 as in OWN, $4 failure, $5 seconds until the next attempt.
const POSTPONED = statement(`
UPDATE outbox SET failure = $4, due_at = clock_timestamp() + $5::float8 * interval '1 second', attempts = attempts - 1
WHERE ${OWN}`);

/** Postpones a mail that was not tried. It is due after `againSeconds`, and the attempt does not count. */
export async function markMailPostponed(
  tx: SystemTx,
  mail: ClaimedMail,
  failure: string,
  againSeconds: number,
): Promise<void> {
  await tx.rows(POSTPONED, [...own(mail), failure, againSeconds]);
}

/** The maximum number of rows that one statement gives up or removes. */
export const SETTLED_AT_ONCE = 1_000;

// $1 failure, $2 seconds, $3 kinds.
const GIVE_UP = statement(`
WITH old AS (
  SELECT id FROM outbox WHERE due_at < statement_timestamp() - $2::float8 * interval '1 second' AND kind = ANY($3::text[])
  LIMIT ${SETTLED_AT_ONCE} FOR UPDATE SKIP LOCKED
), given_up AS (
  UPDATE outbox SET due_at = NULL, failure = $1 WHERE id IN (SELECT id FROM old) RETURNING 1
)
SELECT count(*)::int AS total FROM given_up`);

/** Makes mails dead that have been due for longer than `seconds`, at most SETTLED_AT_ONCE. Returns their number. */
export async function giveUpOverdue(
  tx: SystemReader,
  {
    kinds,
    seconds,
    failure,
  }: { readonly kinds: readonly string[]; readonly seconds: number; readonly failure: string },
): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(GIVE_UP, [failure, seconds, kinds]);
  return row?.total ?? 0;
}

const REMOVE = statement(`
WITH old AS (
  SELECT id FROM outbox WHERE due_at IS NULL AND created_at < statement_timestamp() - $1::float8 * interval '1 second'
  LIMIT ${SETTLED_AT_ONCE} FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM outbox WHERE id IN (SELECT id FROM old) RETURNING 1
)
SELECT count(*)::int AS total FROM removed`);

/**
 * Removes mails that are older than `olderThanSeconds` and have no further attempt, at most SETTLED_AT_ONCE. Returns
 * their number.
 */
export async function deleteSettledMails(tx: SystemReader, olderThanSeconds: number): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(REMOVE, [olderThanSeconds]);
  return row?.total ?? 0;
}

const DELETE_OF = statement('DELETE FROM outbox WHERE user_id = $1::uuid');
// The mails about the user to other addresses, which have recipients of their own. The end of a mail removes its
// recipient, and the rows stay for the budgets of these addresses. The row of a mail that is being prepared is locked,
// and this transaction may hold the row of the user for which the preparation waits. So this row is skipped: the
// preparation finds that the account is closed, and ends the mail.
const END_ADDRESSED = statement(`
UPDATE outbox SET done_at = clock_timestamp(), due_at = NULL, failure = NULL, outcome = 'unwanted'
WHERE id IN (
  SELECT id FROM outbox WHERE done_at IS NULL AND subject_id = $1::uuid AND recipient_sealed IS NOT NULL
  FOR UPDATE SKIP LOCKED)`);
// In other rows with this address, the keyed hash stays for the budgets of the address.
const FORGET = statement(`
UPDATE outbox SET recipient_key = NULL WHERE recipient_lookup = decode($1, 'base64') AND recipient_key IS NOT NULL`);

/**
 * Removes the mails to a user whose account is being closed, ends the mails about the user to other addresses, and
 * removes the unsealed address from other rows.
 */
export async function deleteMailsOf(tx: SystemTx, userId: string, emailKey: string): Promise<void> {
  await tx.rows(DELETE_OF, [userId]);
  await tx.rows(END_ADDRESSED, [userId]);
  await tx.rows(FORGET, [tx.personal.lookup('outbox.recipient', emailKey)]);
}
