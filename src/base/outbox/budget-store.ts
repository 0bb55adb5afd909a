// The queries of budgets: how many mails of a kind were asked for in the last 24 hours, by whom and to whom.
import { type OrganizationTx, type SystemReader, statement } from '../database/db.ts';

// Held until the commit, so that of several organizations at once each sees what the one before it has asked for.
const LOCK_BUDGET = statement(
  `SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261121))) AS l`,
);

/** Makes every other transaction that asks for a mail to this address, or of this actor, wait for the end of this one. */
export async function lockBudgets(tx: OrganizationTx, recipientKey: string, actorId: string): Promise<void> {
  await tx.rows(LOCK_BUDGET, [recipientKey]);
  await tx.rows(LOCK_BUDGET, [actorId]); // always in this order: neither can wait for the other
}

// The mail that has to leave the window before a further one is within the bound, and how long that takes.
// $5 kind; `which` and `max` bring $1 to $4.
const wait = (which: string, max: string) => `
(SELECT ceil(extract(epoch FROM created_at + interval '1 day' - clock_timestamp()))::int FROM outbox
  WHERE ${which} AND kind = $5 AND created_at > clock_timestamp() - interval '1 day'
  ORDER BY created_at DESC OFFSET ${max} - 1 LIMIT 1)`;
// $1 organization, $2 recipient key, $3 mails of the organization, $4 mails to the address, $5 kind.
const ORGANIZATION_WAIT = statement(`
SELECT greatest(${wait('organization_id = $1::uuid', '$3::int')},
  ${wait('organization_id = $1::uuid AND recipient_key = $2', '$4::int')}) AS seconds`);
// $1 recipient key, $2 actor, $3 mails to the address, $4 mails of the actor, $5 kind.
const WAIT_ANYWHERE = statement(`
SELECT greatest(${wait('recipient_key = $1', '$3::int')}, ${wait('actor_id = $2::uuid', '$4::int')}) AS seconds`);

/** Seconds until the organization may cause a mail to this address; null when it may now. */
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

/** Seconds until any organization may cause a mail to this address, and this actor any mail; null when now. */
export async function findWaitAnywhere(
  tx: SystemReader,
  kind: string,
  recipientKey: string,
  actorId: string,
  bounds: { readonly address: number; readonly actor: number },
): Promise<number | null> {
  const values = [recipientKey, actorId, bounds.address, bounds.actor, kind];
  const [row] = await tx.rows<{ seconds: number | null }>(WAIT_ANYWHERE, values);
  return row?.seconds ?? null;
}
