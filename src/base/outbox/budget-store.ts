// The queries of budgets. They count the mails of a kind that were requested in the last 24 hours, by actor and
// address.
import { type OrganizationTx, type SystemReader, statement } from '../database/db.ts';

// The lock is held until the commit. Concurrent transactions of several organizations therefore run one after another,
// and each sees the mails that the one before it requested.
const LOCK_BUDGET = statement(
  `SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261121))) AS l`,
);

/**
 * Locks the budgets of the address and the actor. Other transactions that request such a mail wait for this
 * transaction.
 */
export async function lockBudgets(tx: OrganizationTx, recipientKey: string, actorId: string): Promise<void> {
  await tx.rows(LOCK_BUDGET, [recipientKey]);
  await tx.rows(LOCK_BUDGET, [actorId]); // the two locks are always taken in this order, which prevents deadlocks
}

// The seconds until the oldest counted mail leaves the window of 24 hours and one more mail is allowed.
// $5 kind; `which` and `max` contain $1 to $4.
const wait = (which: string, max: string) => `
(SELECT ceil(extract(epoch FROM created_at + interval '1 day' - clock_timestamp()))::int FROM outbox
  WHERE ${which} AND kind = $5 AND created_at > clock_timestamp() - interval '1 day'
  ORDER BY created_at DESC OFFSET ${max} - 1 LIMIT 1)`;
// $1 organization, $2 recipient key, $3 most mails of the organization, $4 most mails to the address, $5 kind.
const ORGANIZATION_WAIT = statement(`
SELECT greatest(${wait('organization_id = $1::uuid', '$3::int')},
  ${wait('organization_id = $1::uuid AND recipient_key = $2', '$4::int')}) AS seconds`);
// $1 recipient key, $2 actor, $3 most mails to the address, $4 most mails of the actor, $5 kind, $6 most mails of the
// actor to the address.
const WAIT_ANYWHERE = statement(`
SELECT greatest(${wait('recipient_key = $1', '$3::int')}, ${wait('actor_id = $2::uuid', '$4::int')},
  ${wait('recipient_key = $1 AND actor_id = $2::uuid', '$6::int')}) AS seconds`);

/** Returns the seconds until the organization may cause a mail to this address. Returns null when it may do so now. */
export async function findOrganizationWait(
  tx: OrganizationTx,
  kind: string,
  organizationId: string,
  recipientKey: string,
  bounds: { readonly organization: number; readonly address: number },
): Promise<number | null> {
  const values = [organizationId, recipientKey, bounds.organization, bounds.address, kind];
  const [row] = await tx.rows<{ seconds: number | null }>(ORGANIZATION_WAIT, values);
  return row?.seconds ?? null;
}

/**
 * Returns the seconds until the actor may cause a mail to this address in any organization. Returns null when the actor
 * may do so now.
 */
export async function findWaitAnywhere(
  tx: SystemReader,
  kind: string,
  recipientKey: string,
  actorId: string,
  bounds: { readonly address: number; readonly actor: number; readonly actorToAddress: number },
): Promise<number | null> {
  const values = [recipientKey, actorId, bounds.address, bounds.actor, kind, bounds.actorToAddress];
  const [row] = await tx.rows<{ seconds: number | null }>(WAIT_ANYWHERE, values);
  return row?.seconds ?? null;
}
