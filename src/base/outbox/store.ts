// The queries of sending: what is asked for, whose turn it is, and what became of it.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../database/db.ts';
import type { NewMail } from './enqueue.ts';
import type { MailRow } from './kinds.ts';

const ONCE = `
ON CONFLICT (organization_id, kind, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING`;
const NEW = 'id, organization_id, kind, subject_id, recipient_key, actor_id, user_id, dedupe_key';
// $1 mail, $2 organization, $3 kind, $4 subject, $5 recipient key, $6 actor, $7 user, $8 dedupe key; $2 and $5 to $8 may be
// null.
const VALUES = '$1::uuid, $2::uuid, $3, $4::uuid, $5, $6::uuid, $7::uuid, $8';
const INSERT = statement(`INSERT INTO outbox (${NEW}) VALUES (${VALUES})${ONCE}`);
// $1 to $8 as in VALUES, $9 when it is due.
const INSERT_DUE_AT = statement(`INSERT INTO outbox (${NEW}, due_at) VALUES (${VALUES}, $9::timestamptz)${ONCE}`);

function valuesOf(mail: NewMail): unknown[] {
  const { id, organizationId, kind, subjectId, recipientKey, actorId, userId, dedupeKey } = mail;
  return [id, organizationId, kind, subjectId, recipientKey, actorId, userId, dedupeKey].map((value) => value ?? null);
}

/** Due at once. A row with the same dedupe key stays the only one. */
export async function insertMail(tx: OrganizationTx | SystemTx, mail: NewMail): Promise<void> {
  await tx.rows(INSERT, valuesOf(mail));
}

/** The same for later: no organization says when its mails are due. */
export async function insertMailDueAt(tx: SystemTx, mail: NewMail, dueAt: Date): Promise<void> {
  await tx.rows(INSERT_DUE_AT, [...valuesOf(mail), dueAt.toISOString()]);
}

export interface ClaimedMail extends MailRow {
  /** This one included. */
  readonly attempts: number;
  /** When it was taken, to the microsecond. */
  readonly triedAt: string;
}

const CLAIM = statement(`
WITH due AS (
  SELECT id FROM outbox WHERE due_at <= clock_timestamp() AND kind = ANY($3::text[])
  ORDER BY due_at LIMIT $1::int FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET attempts = o.attempts + 1, tried_at = clock_timestamp(),
  due_at = clock_timestamp() + $2::float8 * interval '1 second'
FROM due WHERE o.id = due.id
RETURNING o.id::text, o.kind, o.organization_id::text AS "organizationId", o.user_id::text AS "userId",
  o.subject_id::text AS "subjectId", o.attempts, o.tried_at::text AS "triedAt"`);

/** Takes what is due of these kinds, for so many seconds: nobody else gets it until then, unless it is settled before. */
export function claimMails(
  tx: SystemReader,
  kinds: readonly string[],
  count: number,
  leaseSeconds: number,
): Promise<ClaimedMail[]> {
  return tx.rows<ClaimedMail>(CLAIM, [count, leaseSeconds, kinds]);
}

// The version before counts attempts alone; an operator's retry lets them begin again.
// $1 to $3 are those of own().
const OWN = `id = $1::uuid AND attempts = $2::int AND tried_at = $3::timestamptz AND done_at IS NULL AND due_at IS NOT NULL`;
const own = ({ id, attempts, triedAt }: ClaimedMail) => [id, attempts, triedAt];

const HOLD = statement(`SELECT 1 AS held FROM outbox WHERE ${OWN} AND due_at > clock_timestamp() FOR UPDATE`);

/** Whether the claim still counts; then nobody else takes the mail before the end of the transaction. */
export async function holdClaim(tx: SystemTx, mail: ClaimedMail): Promise<boolean> {
  return (await tx.rows(HOLD, own(mail))).length > 0;
}

// Two statements, so that each finds its rows by the index that begins with the organization.
const newest = (organization: string) => `
SELECT NOT EXISTS (
  SELECT FROM outbox n WHERE n.organization_id ${organization} AND n.kind = b.kind
    AND n.subject_id = b.subject_id AND n.created_at > b.created_at) AS newest
FROM outbox b WHERE b.id = $1::uuid`;
const NEWEST_OF_ORGANIZATION = statement(newest('= $2::uuid'));
const NEWEST_OF_NONE = statement(newest('IS NULL'));

/** Whether no later mail of its kind was asked for about the same subject. */
export async function isNewestMail(tx: SystemTx, { id, organizationId }: MailRow): Promise<boolean> {
  const asked = organizationId === null ? NEWEST_OF_NONE : NEWEST_OF_ORGANIZATION;
  const [row] = await tx.rows<{ newest: boolean }>(asked, organizationId === null ? [id] : [id, organizationId]);
  return row?.newest ?? false;
}

// By the claim: who has lost it has no word in what becomes of the mail.
// $1 to $3 as in OWN, $4 outcome.
const DONE = statement(`
UPDATE outbox SET done_at = clock_timestamp(), due_at = NULL, failure = NULL, outcome = $4 WHERE ${OWN}`);

/** It is sent, or will never be. */
export async function markMailDone(tx: SystemReader, mail: ClaimedMail, outcome: 'sent' | 'unwanted'): Promise<void> {
  await tx.rows(DONE, [...own(mail), outcome]);
}

// $1 to $3 as in OWN, $4 failure, $5 seconds until it comes again, null for never.
const FAILED = statement(`
UPDATE outbox SET failure = $4, due_at = clock_timestamp() + $5::float8 * interval '1 second' WHERE ${OWN}`);

/** It was not sent; it comes again after so many seconds, or with null it is dead. */
export async function markMailFailed(
  tx: SystemReader,
  mail: ClaimedMail,
  failure: string,
  againSeconds: number | null,
): Promise<void> {
  await tx.rows(FAILED, [...own(mail), failure, againSeconds]);
}

// $1 to $3 as in OWN, $4 failure, $5 seconds until it comes again.
const POSTPONED = statement(`
UPDATE outbox SET failure = $4, due_at = clock_timestamp() + $5::float8 * interval '1 second', attempts = attempts - 1
WHERE ${OWN}`);

/** It was not tried, and comes again after so many seconds: the attempt does not count. */
export async function markMailPostponed(
  tx: SystemTx,
  mail: ClaimedMail,
  failure: string,
  againSeconds: number,
): Promise<void> {
  await tx.rows(POSTPONED, [...own(mail), failure, againSeconds]);
}

const REMOVE = statement(`
WITH old AS (
  SELECT id FROM outbox WHERE due_at IS NULL AND created_at < clock_timestamp() - $1::float8 * interval '1 second'
  LIMIT 1000 FOR UPDATE SKIP LOCKED
)
DELETE FROM outbox WHERE id IN (SELECT id FROM old)`);

/** Removes a thousand rows, at the most, that were settled or are dead and are older than that. */
export async function deleteSettledMails(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(REMOVE, [olderThanSeconds]);
}
