// Ends registrations that wait for the proof of their mailbox: when the address gets an account in another way or the
// account of the address is closed, when they have expired, and after a backup was restored.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { deleteRegistrationsBefore, deleteRegistrationsOf, deleteSomeExpired } from './store.ts';

/**
 * Removes the registrations of this canonical e-mail. The caller has made the account of the address, or holds its row,
 * in the same transaction. Transactions that lock both take the locks in this order.
 */
export async function endRegistrationsOf(tx: SystemTx, emailKey: string): Promise<void> {
  await deleteRegistrationsOf(tx, emailKey);
}

/** Removes every registration from before an instant, in ISO 8601 format or as the database writes it. */
export async function endRegistrationsBefore(tx: SystemTx, instant: string): Promise<void> {
  await deleteRegistrationsBefore(tx, instant);
}

/** Removes the expired registrations, in portions, so that no statement runs long. Raises DatabaseUnavailable. */
export async function removeExpiredRegistrations(db: Pick<Database, 'systemReader'>): Promise<void> {
  let more = true;
  while (more) more = await deleteSomeExpired(db.systemReader());
}
