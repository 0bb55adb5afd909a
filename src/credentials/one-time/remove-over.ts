// Removes one-time tokens that were used, have ended or have expired, and the counts of wrong codes of former days. The
// loop that removes ended sessions calls this.
import type { Database } from '../../base/database/db.ts';
import { deleteSomeOver } from './store.ts';

/** Removes the rows that are due now, in portions, so that no statement runs long. Raises DatabaseUnavailable. */
export async function removeOverTokens(db: Pick<Database, 'systemReader'>): Promise<void> {
  let more = true;
  while (more) more = await deleteSomeOver(db.systemReader());
}
