// Guesses the code of a registration. Only the person who registered knows its id, so the owner of the mailbox
// alone cannot activate the password of a stranger by a code.
import type { SystemTx } from '../../base/database/db.ts';
import { writeToLog } from '../../credentials/one-time/store.ts';
import { guessCode, type Registration } from './store.ts';

/**
 * The registration with this id if the code is right, which stays as it is. Wrong codes are counted: the caller must
 * let the transaction commit. An unknown id takes as long.
 */
export async function guessRegistration(tx: SystemTx, id: string, code: string): Promise<Registration | null> {
  await writeToLog(tx);
  return guessCode(tx, id, code);
}
