// How many mails an organization and an inviter may cause, and how many an address gets: counted by what the outbox was asked for in
// the last 24 hours, sent or not.

import type { Database, OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { lockBudgets, organizationWait, waitAnywhere } from './outbox-store.ts';

export interface BudgetDeps {
  readonly db: Database;
  readonly mailsPerDayMax: number;
}

/** From one organization to one address. */
const ADDRESS_MAX = 5;
/** From all organizations together: a stranger who founds many reaches nobody more often. */
const ADDRESS_ANYWHERE_MAX = 20;

/**
 * Raises too_many_requests when a further mail of the inviter to the address (canonical) is one too many. Holds locks on
 * both to the end of the transaction; the counts across organizations are two numbers, and say nothing of them.
 */
export async function assertMailAllowed(
  deps: BudgetDeps,
  tx: OrganizationTx,
  organizationId: string,
  emailKey: string,
  actorId: string,
): Promise<void> {
  await lockBudgets(tx, emailKey, actorId);
  const bounds = { organization: deps.mailsPerDayMax, address: ADDRESS_MAX };
  const own = await organizationWait(tx, organizationId, emailKey, bounds);
  // One account may found many organizations: it has one budget in all of them.
  const further = { address: ADDRESS_ANYWHERE_MAX, actor: deps.mailsPerDayMax };
  const anywhere = await waitAnywhere(deps.db.systemReader(), emailKey, actorId, further);
  const seconds = Math.max(own ?? 0, anywhere ?? 0);
  if (seconds > 0) {
    throw problem('too_many_requests', {
      detail: 'Enough invitations were mailed for today: try again after the seconds in Retry-After.',
      retryAfterSeconds: seconds,
    });
  }
}
