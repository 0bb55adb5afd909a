// Marks the mailbox of an account as proven, because an operator knows that it belongs to the user.
import type { Database } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { markEmailVerified } from '../../directory/users/mailbox-store.ts';

/** Returns false, and changes nothing, when the mailbox was proven already. */
export function verifyAccount(
  deps: { readonly db: Database; readonly clock: Clock; readonly random: Random },
  userId: string,
): Promise<boolean> {
  return deps.db.system(async (tx) => {
    const changed = await markEmailVerified(tx, userId);
    const event = { type: 'user.email_verified', organizationId: null, actorId: null, targetId: userId } as const;
    if (changed) await record(tx, { id: newId(deps.random, deps.clock), ...event });
    return changed;
  });
}
