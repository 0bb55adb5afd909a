// Guesses the code of a registration. Only the person who registered knows its id, so the owner of the mailbox
// alone cannot activate the password of a stranger by a code.
import type { SystemTx } from '../../base/database/db.ts';
import { writeToLog } from '../../credentials/one-time/store.ts';
import { guessCode, type Registration } from './store.ts';

/**
 * Returns the registration with this id, unchanged, if the code is right. Wrong codes are counted: the caller must let
 * the transaction commit. An unknown id takes as long as a known one.
 */
export async function guessRegistration(tx: SystemTx, id: string, code: string): Promise<Registration | null> {
  await writeToLog(tx);
  return guessCode(tx, id, code);
}
