// The queries of the outbox: what waits to be sent, whose turn it is, and how much an organization or an address had.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

const INSERT = statement(`
INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_key, actor_id)
VALUES ($1::uuid, $2::uuid, 'invitation', $3::uuid, $4, $5::uuid)`);

/** Asks for the mail of an invitation; it leaves after the commit. */
export async function insertMail(
  tx: OrganizationTx | SystemTx,
  row: {
    readonly id: string;
    readonly organizationId: string;
    readonly invitationId: string;
    readonly emailKey: string;
    /** Whose budget it counts against; null for an operator. */
    readonly actorId: string | null;
  },
): Promise<void> {
  await tx.rows(INSERT, [row.id, row.organizationId, row.invitationId, row.emailKey, row.actorId]);
}

// Held until the commit, so that of several organizations at once each sees what the one before it has asked for.
const LOCK_BUDGET = statement(
  `SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261121))) AS l`,
);

/** Makes every other transaction that asks for a mail to this address, or of this inviter, wait for the end of this one. */
export async function lockBudgets(tx: OrganizationTx, emailKey: string, actorId: string): Promise<void> {
  await tx.rows(LOCK_BUDGET, [emailKey]);
  await tx.rows(LOCK_BUDGET, [actorId]); // always in this order: neither can wait for the other
}

// The mail that has to leave the window before a further one is within the bound, and how long that takes.
const wait = (which: string, max: string) => `
(SELECT ceil(extract(epoch FROM created_at + interval '1 day' - clock_timestamp()))::int FROM outbox
  WHERE ${which} AND created_at > clock_timestamp() - interval '1 day'
  ORDER BY created_at DESC OFFSET ${max} - 1 LIMIT 1)`;
const ORGANIZATION_WAIT = statement(`
SELECT greatest(${wait('organization_id = $1::uuid', '$3::int')},
  ${wait('organization_id = $1::uuid AND recipient_key = $2', '$4::int')}) AS seconds`);
const WAIT_ANYWHERE = statement(`
SELECT greatest(${wait('recipient_key = $1', '$3::int')}, ${wait('actor_id = $2::uuid', '$4::int')}) AS seconds`);

/** Seconds until the organization may cause a mail to this address; null when it may now. */
export async function organizationWait(
  tx: OrganizationTx,
  organizationId: string,
  emailKey: string,
  bounds: { readonly organization: number; readonly address: number },
): Promise<number | null> {
  const values = [organizationId, emailKey, bounds.organization, bounds.address];
  const [row] = await tx.rows<{ seconds: number | null }>(ORGANIZATION_WAIT, values);
  return row?.seconds ?? null;
}

/** Seconds until any organization may cause a mail to this address, and this inviter any mail; null when now. */
export async function waitAnywhere(
  tx: SystemReader,
  emailKey: string,
  actorId: string,
  bounds: { readonly address: number; readonly actor: number },
): Promise<number | null> {
  const values = [emailKey, actorId, bounds.address, bounds.actor];
  const [row] = await tx.rows<{ seconds: number | null }>(WAIT_ANYWHERE, values);
  return row?.seconds ?? null;
}

export interface ClaimedMail {
  readonly id: string;
  readonly organizationId: string;
  readonly invitationId: string;
  /** This one included. */
  readonly attempts: number;
}

const CLAIM = statement(`
WITH due AS (
  SELECT id FROM outbox WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $1::int FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET attempts = o.attempts + 1, due_at = clock_timestamp() + $2::float8 * interval '1 second'
FROM due WHERE o.id = due.id
RETURNING o.id::text, o.organization_id::text AS "organizationId", o.subject_id::text AS "invitationId", o.attempts`);

/** Takes what is due, for so many seconds: nobody else gets it until then, unless it is settled before. */
export function claimMails(tx: SystemReader, count: number, leaseSeconds: number): Promise<ClaimedMail[]> {
  return tx.rows<ClaimedMail>(CLAIM, [count, leaseSeconds]);
}

const CLAIMED = `b.id = $1::uuid AND b.attempts = $2::int AND b.due_at > clock_timestamp()`;
// The invitation has not ended, and no newer mail of it was asked for.
const WANTED = `i.organization_id = b.organization_id AND i.id = b.subject_id
  AND i.status = 'pending' AND i.expires_at > clock_timestamp()
  AND NOT EXISTS (SELECT FROM outbox n WHERE n.organization_id = b.organization_id AND n.subject_id = b.subject_id
    AND n.created_at > b.created_at)`;
const STORE_TOKEN = statement(`
UPDATE invitations i SET token_hash = decode($3, 'hex')
FROM outbox b JOIN organizations o ON o.id = b.organization_id AND o.status = 'active'
WHERE ${CLAIMED} AND ${WANTED}
RETURNING i.email, i.expires_at AS "expiresAt", o.name AS "organizationName",
  (SELECT u.name FROM users u WHERE u.id = i.invited_by) AS "inviterName"`);

export interface Addressed {
  readonly email: string;
  readonly expiresAt: Date;
  readonly organizationName: string;
  readonly inviterName: string | null;
}

/** Makes this token the invitation's only one; null when nothing may be sent now: see `settleUnsent`. */
export async function updateToken(tx: SystemReader, mail: ClaimedMail, tokenHash: string): Promise<Addressed | null> {
  const [row] = await tx.rows<Addressed>(STORE_TOKEN, [mail.id, mail.attempts, tokenHash]);
  return row ?? null;
}

// A mail that is wanted waits for its organization, and the attempt does not count. A claim that has run out settles
// nothing: whoever takes the mail next looks again.
const SETTLE_UNSENT = statement(`
UPDATE outbox b SET (done_at, due_at, attempts, failure) = (
  SELECT CASE WHEN NOT w.wanted THEN clock_timestamp() END,
    CASE WHEN w.wanted THEN clock_timestamp() + $3::float8 * interval '1 second' END,
    b.attempts - w.wanted::int, CASE WHEN w.wanted THEN 'organization suspended' END
  FROM (SELECT EXISTS (SELECT FROM invitations i WHERE ${WANTED}) AS wanted) w)
WHERE ${CLAIMED}`);

/** Settles a mail for which no token was made: it is done, or comes again after so many seconds. */
export async function settleUnsent(tx: SystemReader, mail: ClaimedMail, againSeconds: number): Promise<void> {
  await tx.rows(SETTLE_UNSENT, [mail.id, mail.attempts, againSeconds]);
}

// By the claim: who has lost it has no word in what becomes of the mail.
const SETTLE = statement(`
UPDATE outbox SET done_at = CASE WHEN $3::text IS NULL THEN clock_timestamp() END, failure = $3,
  due_at = clock_timestamp() + $4::float8 * interval '1 second'
WHERE id = $1::uuid AND attempts = $2::int AND done_at IS NULL AND due_at IS NOT NULL`);

/** It was sent. */
export async function markMailDone(tx: SystemReader, mail: ClaimedMail): Promise<void> {
  await tx.rows(SETTLE, [mail.id, mail.attempts, null, null]);
}

/** It was not sent; it comes again after so many seconds, or, with null, never. */
export async function markMailFailed(
  tx: SystemReader,
  mail: ClaimedMail,
  failure: string,
  againSeconds: number | null,
): Promise<void> {
  await tx.rows(SETTLE, [mail.id, mail.attempts, failure, againSeconds]);
}

const REMOVE = statement(`
WITH old AS (
  SELECT id FROM outbox WHERE due_at IS NULL AND created_at < clock_timestamp() - $1::float8 * interval '1 second'
  LIMIT 1000 FOR UPDATE SKIP LOCKED
)
DELETE FROM outbox WHERE id IN (SELECT id FROM old)`);

/** Removes a thousand rows, at the most, that were settled and are older than that. */
export async function deleteSettledMails(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(REMOVE, [olderThanSeconds]);
}
