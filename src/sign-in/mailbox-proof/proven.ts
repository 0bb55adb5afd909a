// Marks the mailbox of an account as proven, with the event that says so.
import type { SystemTx } from '../../base/database/db.ts';
import { record, recordOwn } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { markEmailVerified, type Takeover, takeOverUnproven } from '../../directory/users/mailbox-store.ts';

/**
 * Marks the mailbox as proven, and records the event. `actorId` is the user, or null for an operator. Returns false,
 * and changes nothing, when the mailbox was proven already, or the account is closed.
 */
export async function proveMailbox(
  { random, clock }: CreateDeps,
  tx: SystemTx,
  { userId, actorId }: { readonly userId: string; readonly actorId: string | null },
): Promise<boolean> {
  if (!(await markEmailVerified(tx, userId))) return false;
  const event = { type: 'user.email_verified', organizationId: null, actorId, targetId: userId } as const;
  await record(tx, { id: newId(random, clock), ...event });
  return true;
}

/**
 * Gives an account that nobody has proven to the person who has proven its mailbox now, and records the events. Returns
 * false, and changes nothing, when the mailbox was proven, or the account was disabled, in the meantime.
 */
export async function claimMailbox(deps: CreateDeps, tx: SystemTx, takeover: Takeover): Promise<boolean> {
  if (!(await takeOverUnproven(tx, takeover))) return false;
  await recordOwn(deps, tx, takeover.userId, 'user.claimed');
  await recordOwn(deps, tx, takeover.userId, 'user.email_verified');
  return true;
}
