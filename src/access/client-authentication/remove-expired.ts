// Removes the records of used assertions that have expired. The loop that removes ended sessions calls this.
import type { Database } from '../../base/database/db.ts';
import { deleteExpiredAssertions } from './store.ts';

/** Removes the records that are due now, in portions, so that no statement runs long. Raises DatabaseUnavailable. */
export async function removeExpiredAssertions(db: Pick<Database, 'systemReader'>): Promise<void> {
  let more = true;
  while (more) more = await deleteExpiredAssertions(db.systemReader());
}
