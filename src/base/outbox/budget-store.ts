// The queries of budgets. They count the mails of a kind that were requested in the last hour or in the last 24 hours,
// by organization, actor and address.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../database/db.ts';

// The lock is held until the commit. Concurrent transactions of several organizations therefore run one after another,
// and each sees the mails that the one before it requested.
const LOCK_BUDGET = statement(
  `SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261121))) AS l`,
);

/**
 * Locks the budgets of the address and the actor. Other transactions that request a mail to this address or of this
 * actor wait for this transaction.
 */
export async function lockBudgets(tx: OrganizationTx, recipientKey: string, actorId: string): Promise<void> {
  // The previous version locks the address itself.
  const address = tx.personal.isSealed ? tx.personal.lookup('outbox.recipient', recipientKey) : recipientKey;
  await tx.rows(LOCK_BUDGET, [address]);
  await tx.rows(LOCK_BUDGET, [actorId]); // the two locks are always taken in this order, which prevents deadlocks
}

// The seconds until the oldest of the last `max` mails leaves the window of 24 hours and one more mail is allowed. Null
// when one more mail is allowed now. $5 kind; `which` and `max` contain the other parameters.
const wait = (which: string, max: string) => `
(SELECT ceil(extract(epoch FROM created_at + interval '1 day' - clock_timestamp()))::int FROM outbox
  WHERE ${which} AND kind = $5 AND created_at > clock_timestamp() - interval '1 day'
  ORDER BY created_at DESC OFFSET ${max} - 1 LIMIT 1)`;

/**
 * Prepares a statement for a database that stores nothing unsealed, and one for a database with clear values. Returns
 * the function that chooses between them.
 */
function inBothPhases(write: (toAddress: (lookup: number, key: number) => string) => string) {
  const isSealed = (lookup: number) => `recipient_lookup = decode($${lookup}, 'base64')`;
  const sealed = statement(write(isSealed));
  // A mail that the previous version has requested has no lookup until it is sealed.
  const expanding = statement(
    write((lookup, key) => `(${isSealed(lookup)} OR (recipient_lookup IS NULL AND recipient_key = $${key}))`),
  );
  return ({ personal }: Pick<SystemReader, 'personal'>) => (personal.isSealed ? sealed : expanding);
}

// $1 organization, $2 lookup of the recipient, $3 maximum number of mails of the organization and $4 to the address,
// $5 kind, $6 recipient key, which only the statement for a database with clear values has.
const ORGANIZATION_WAIT = inBothPhases(
  (toAddress) => `
SELECT greatest(${wait('organization_id = $1::uuid', '$3::int')},
  ${wait(`organization_id = $1::uuid AND ${toAddress(2, 6)}`, '$4::int')}) AS seconds`,
);
// $1 lookup of the recipient, $2 actor, $3 maximum number of mails to the address and $4 of the actor, $5 kind, $6
// maximum number of mails of the actor to the address, $7 recipient key as $6 above.
const WAIT_ANYWHERE = inBothPhases(
  (toAddress) => `
SELECT greatest(${wait(toAddress(1, 7), '$3::int')}, ${wait('actor_id = $2::uuid', '$4::int')},
  ${wait(`${toAddress(1, 7)} AND actor_id = $2::uuid`, '$6::int')}) AS seconds`,
);

function addressValues({ personal }: Pick<SystemReader, 'personal'>, recipientKey: string) {
  const found = personal.lookup('outbox.recipient', recipientKey);
  return { found, clear: personal.isSealed ? [] : [recipientKey] };
}

/** Returns the seconds until the organization may cause a mail to this address. Returns null when it may do so now. */
export async function findOrganizationWait(
  tx: OrganizationTx,
  kind: string,
  organizationId: string,
  recipientKey: string,
  bounds: { readonly organization: number; readonly address: number },
): Promise<number | null> {
  const { found, clear } = addressValues(tx, recipientKey);
  const values = [organizationId, found, bounds.organization, bounds.address, kind, ...clear];
  const [row] = await tx.rows<{ seconds: number | null }>(ORGANIZATION_WAIT(tx), values);
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
  const { found, clear } = addressValues(tx, recipientKey);
  const values = [found, actorId, bounds.address, bounds.actor, kind, bounds.actorToAddress, ...clear];
  const [row] = await tx.rows<{ seconds: number | null }>(WAIT_ANYWHERE(tx), values);
  return row?.seconds ?? null;
}

// The seconds until the oldest of the last `max` mails of the actor leaves the window. Null as above.
const waitOfActor = (window: string, max: string) => `
(SELECT ceil(extract(epoch FROM created_at + interval '${window}' - clock_timestamp()))::int FROM outbox
  WHERE actor_id = $2::uuid AND kind = $1 AND created_at > clock_timestamp() - interval '${window}'
  ORDER BY created_at DESC OFFSET ${max} - 1 LIMIT 1)`;
// $1 kind, $2 actor, $3 most mails in an hour, $4 most mails in a day.
const ACTOR_WAIT = statement(
  `SELECT greatest(${waitOfActor('1 hour', '$3::int')}, ${waitOfActor('1 day', '$4::int')}) AS seconds`,
);

/**
 * Returns the seconds until the actor may request one more mail of this kind, to any address; 0 when it may do so now.
 * The caller holds a lock that lets the requests of one actor run one after another.
 */
export async function findActorWait(
  tx: SystemTx,
  kind: string,
  actorId: string,
  { perHour, perDay }: { readonly perHour: number; readonly perDay: number },
): Promise<number> {
  const [row] = await tx.rows<{ seconds: number | null }>(ACTOR_WAIT, [kind, actorId, perHour, perDay]);
  return row?.seconds ?? 0;
}
