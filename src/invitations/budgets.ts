// How many mails an organization may cause, and how many an address gets: counted by what the outbox was asked for in
// the last 24 hours, sent or not.
import { problem } from '../errors.ts';
import type { Database, OrganizationTx } from '../platform/db.ts';
import { lockRecipient, organizationWait, recipientWait } from './outbox-store.ts';

export interface BudgetDeps {
  readonly db: Database;
  readonly mailsPerDayMax: number;
}

/** From one organization to one address. */
const ADDRESS_MAX = 5;
/** From all organizations together: a stranger who founds many reaches nobody more often. */
const ADDRESS_ANYWHERE_MAX = 20;

/**
 * Raises too_many_requests when a further mail to the address (canonical) is one too many. Holds a lock on the address
 * to the end of the transaction; the count across organizations is one number, and says nothing of them.
 */
export async function assertMailAllowed(
  deps: BudgetDeps,
  tx: OrganizationTx,
  organizationId: string,
  emailKey: string,
): Promise<void> {
  await lockRecipient(tx, emailKey);
  const bounds = { organization: deps.mailsPerDayMax, address: ADDRESS_MAX };
  const own = await organizationWait(tx, organizationId, emailKey, bounds);
  const anywhere = await recipientWait(deps.db.systemReader(), emailKey, ADDRESS_ANYWHERE_MAX);
  const seconds = Math.max(own ?? 0, anywhere ?? 0);
  if (seconds > 0) {
    throw problem('too_many_requests', {
      detail: 'Enough invitations were mailed for today: try again after the seconds in Retry-After.',
      retryAfterSeconds: seconds,
    });
  }
}
