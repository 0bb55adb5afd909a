// How many invitation mails an organization and an inviter may cause, and how many an address gets.

import type { Database, OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { lockedMailWait } from '../../base/outbox/budgets.ts';
import { INVITATION_MAIL } from './mail.ts';

export interface BudgetDeps {
  readonly db: Database;
  readonly mailsPerDayMax: number;
}

/** From one organization to one address. */
const ADDRESS_MAX = 5;
/** From all organizations together: a stranger who founds many reaches nobody more often. */
const ADDRESS_ANYWHERE_MAX = 20;

/** Raises too_many_requests when a further mail of the inviter to the address (canonical) is one too many today. */
export async function assertMailAllowed(
  deps: BudgetDeps,
  tx: OrganizationTx,
  organizationId: string,
  emailKey: string,
  actorId: string,
): Promise<void> {
  const asked = { kind: INVITATION_MAIL, organizationId, recipientKey: emailKey, actorId };
  const retryAfterSeconds = await lockedMailWait(deps, tx, asked, {
    organization: deps.mailsPerDayMax,
    address: ADDRESS_MAX,
    addressAnywhere: ADDRESS_ANYWHERE_MAX,
    // One account may found many organizations: it has one budget in all of them.
    actor: deps.mailsPerDayMax,
  });
  if (retryAfterSeconds > 0) {
    throw problem('too_many_requests', {
      detail: 'Enough invitations were mailed for today: try again after the seconds in Retry-After.',
      retryAfterSeconds,
    });
  }
}
