// Removes the expired answers of requests with an Idempotency-Key. The loop that removes ended sessions calls this.
import type { Database } from '../database/db.ts';
import { deleteSomeExpired } from './store.ts';

/** Removes the rows that are due now, in portions, so that no statement runs long. Raises DatabaseUnavailable. */
export async function removeExpiredKeys(db: Pick<Database, 'systemReader'>): Promise<void> {
  let more = true;
  while (more) more = await deleteSomeExpired(db.systemReader());
}
