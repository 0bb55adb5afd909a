// Somebody who has forgotten the password requests a mail with a link and a code. The answer, its work and its time are
// the same for every address, and while no mail can be sent.
import type { Database } from '../../base/database/db.ts';
import { invalid } from '../../base/errors/problem.ts';
import { ADDRESS_BUDGET, enqueueBounded } from '../../base/outbox/enqueue.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import type { RequestCount } from '../mailbox-proof/request-count.ts';
import { RESET_MAIL } from './mail.ts';

export interface RequestResetDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly requests: RequestCount;
}

export interface RequestReset {
  readonly email: string;
  /** The network of the request. */
  readonly network: string;
}

/**
 * Requests the mail. For an unknown address this writes the same row, and the mail is never sent, as for a disabled
 * account: `prepare` decides that when the mail is due. A mail beyond the budget of the address is not requested.
 * Raises validation_failed for a text that is no e-mail address.
 */
export async function requestReset(deps: RequestResetDeps, { email, network }: RequestReset): Promise<void> {
  const key = parseEmail(email)?.key;
  if (key === undefined) throw invalid('email', 'must be one e-mail address such as ada@example.com');
  const isAllowed = deps.requests.admit(key, network);
  const account = await findAccountByMailbox(deps.db.systemReader(), key);
  // The id of the user is not written into the column with a foreign key, which would cost a lookup for a known user
  // only.
  const subjectId = account?.id ?? newId(deps.random, deps.clock);
  const mail = { id: newId(deps.random, deps.clock), kind: RESET_MAIL, subjectId, recipientKey: key };
  await deps.db.system((tx) => enqueueBounded(tx, { ...mail, ...ADDRESS_BUDGET, isAllowed }));
}
