// Marks the mailbox of an account as proven, because an operator knows that it belongs to the user.
import type { Database } from '../../base/database/db.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Random } from '../../base/platform/random.ts';
import { proveMailbox } from '../../sign-in/mailbox-proof/proven.ts';

/** Returns false, and changes nothing, when the mailbox was proven already. */
export function verifyAccount(
  deps: { readonly db: Database; readonly clock: Clock; readonly random: Random },
  userId: string,
): Promise<boolean> {
  return deps.db.system((tx) => proveMailbox(deps, tx, { userId, actorId: null }));
}
