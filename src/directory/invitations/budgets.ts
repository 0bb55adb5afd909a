// The daily limits of invitation mails, for each organization, for each inviter, for each address, and for the mails of
// one organization or inviter to one address.

import type { Database, OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { lockedMailWait } from '../../base/outbox/budgets.ts';
import { INVITATION_MAIL } from './mail.ts';

export interface BudgetDeps {
  readonly db: Database;
  readonly mailsPerDayMax: number;
}

/** The limit of mails to one address from one organization, and from one inviter in all organizations. */
const ADDRESS_MAX = 5;
/** The limit of mails from all organizations to one address. Creating many organizations does not help to send more. */
const ADDRESS_ANYWHERE_MAX = 20;

/** Raises too_many_requests when one more mail from the inviter to the canonical address would exceed a daily limit. */
export async function assertMailAllowed(
  deps: BudgetDeps,
  tx: OrganizationTx,
  organizationId: string,
  emailKey: string,
  actorId: string,
): Promise<void> {
  const mail = { kind: INVITATION_MAIL, organizationId, recipientKey: emailKey, actorId };
  const retryAfterSeconds = await lockedMailWait(deps, tx, mail, {
    organization: deps.mailsPerDayMax,
    address: ADDRESS_MAX,
    addressAnywhere: ADDRESS_ANYWHERE_MAX,
    // One account may create many organizations. The limit of the inviter counts the mails of all of them together.
    actor: deps.mailsPerDayMax,
    // With this limit, one inviter with several organizations cannot use up ADDRESS_ANYWHERE_MAX, which all inviters
    // share.
    actorToAddress: ADDRESS_MAX,
  });
  if (retryAfterSeconds > 0) {
    throw problem('too_many_requests', {
      detail: 'No more invitation mails can be sent today: try again after the seconds in Retry-After.',
      retryAfterSeconds,
    });
  }
}
