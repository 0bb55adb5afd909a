// The queries of mails that are requested for an address which may belong to somebody else. A request does the same
// work whether the mail is within the budget of the address or not, so that its duration reveals nothing.
import { type SystemTx, statement } from '../database/db.ts';
import type { BoundedMail } from './enqueue.ts';

// $1 lookup of the recipient. Requests for one address run one after another, so each sees those before it.
const LOCK_ADDRESS = statement(
  `SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261129))) AS l`,
);

// When the mail is not requested, the statement instead updates the newest row of the address without a change, which
// takes about as long. $1 mail, $2 kind, $3 subject, $4 lookup of the recipient, $5 maximum number of mails in an hour
// and $6 in a day, $7 whether the mail may be requested at all, $8 the user who requests it.
const INSERT = statement(`
WITH recent AS MATERIALIZED (
  SELECT id, created_at FROM outbox WHERE recipient_lookup = decode($4, 'base64') AND kind = $2
    AND created_at > clock_timestamp() - interval '1 day'
  ORDER BY created_at DESC LIMIT $6::int
),
inserted AS (
  INSERT INTO outbox (id, kind, subject_id, recipient_lookup, actor_id)
  SELECT $1::uuid, $2, $3::uuid, decode($4, 'base64'), $8::uuid
  FROM (SELECT count(*) AS day,
    count(*) FILTER (WHERE created_at > clock_timestamp() - interval '1 hour') AS hour FROM recent) AS counted
  WHERE $7::boolean AND hour < $5::int AND day < $6::int
  RETURNING id
),
unchanged AS (
  UPDATE outbox SET kind = kind
  WHERE id = (SELECT id FROM recent ORDER BY created_at DESC LIMIT 1) AND NOT EXISTS (SELECT FROM inserted)
)
SELECT EXISTS (SELECT FROM inserted) AS inserted`);

// The mails of the same kind to the user that were requested before this one. Those that were not wanted do not count.
// $1 mail, $2 most mails in an hour, $3 most in a day.
const WITHIN = statement(`
SELECT count(*) < $3::int AND count(*) FILTER (WHERE b.created_at > m.created_at - interval '1 hour') < $2::int AS within
FROM outbox m JOIN outbox b ON b.user_id = m.user_id AND b.kind = m.kind AND (b.created_at, b.id) < (m.created_at, m.id)
  AND b.created_at > m.created_at - interval '1 day' AND b.outcome IS DISTINCT FROM 'unwanted'
WHERE m.id = $1::uuid`);

/** Whether fewer mails of this kind than the bounds allow were requested for the user before this mail. */
export async function isWithinBudget(
  tx: SystemTx,
  { id }: { readonly id: string },
  { perHour, perDay }: { readonly perHour: number; readonly perDay: number },
): Promise<boolean> {
  const [row] = await tx.rows<{ within: boolean }>(WITHIN, [id, perHour, perDay]);
  return row?.within ?? false;
}

/** Inserts the mail if the budget of its address allows it. Returns whether it did. */
export async function insertBoundedMail(tx: SystemTx, mail: BoundedMail): Promise<boolean> {
  const { id, kind, subjectId, recipientKey, perHour, perDay, isAllowed, actorId = null } = mail;
  const found = tx.personal.lookup('outbox.recipient', recipientKey);
  await tx.rows(LOCK_ADDRESS, [found]);
  const values = [id, kind, subjectId, found, perHour, perDay, isAllowed, actorId];
  const [row] = await tx.rows<{ inserted: boolean }>(INSERT, values);
  return row?.inserted ?? false;
}
