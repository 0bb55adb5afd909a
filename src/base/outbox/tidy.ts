// Gives up mails that cannot be sent, and removes old mails and old recipients. Mails are given up and removed in
// portions, so that no statement runs long.
import type { Database } from '../database/db.ts';
import type { MailFailure } from '../mail/failures.ts';
import type { Log } from '../platform/log.ts';
import { forgetOldRecipients } from './recipient-store.ts';
import { TRIED_SECONDS } from './send-one.ts';
import { deleteSettledMails, giveUpOverdue, SETTLED_AT_ONCE } from './store.ts';

export interface TidyDeps {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: readonly string[];
  /** False while no mail can be sent. */
  readonly canSend: boolean;
}

const DAY_SECONDS = 86_400;
const SETTLED_KEPT_SECONDS = 30 * DAY_SECONDS;
/** As long as the link in a mail to a former address works. */
const RECIPIENT_KEPT_SECONDS = 7 * DAY_SECONDS;
const NO_SERVER: MailFailure = 'no_mail_server';

/** Does all of it now. Begins no further portion once `isStopping` returns true. */
export async function tidyOutbox({ db, log, kinds, canSend }: TidyDeps, isStopping: () => boolean): Promise<void> {
  const inPortions = async (change: () => Promise<number>) => {
    let total = 0;
    for (let changed = SETTLED_AT_ONCE; changed === SETTLED_AT_ONCE && !isStopping(); total += changed) {
      changed = await change();
    }
    return total;
  };
  const reader = db.systemReader();
  if (!canSend) {
    const overdue = { kinds, seconds: TRIED_SECONDS, failure: NO_SERVER };
    const mails = await inPortions(() => giveUpOverdue(reader, overdue));
    if (mails > 0) log.error({ mails }, 'mails waited too long without SMTP_URL and are dead: see tenantry mail list');
  }
  await forgetOldRecipients(reader, RECIPIENT_KEPT_SECONDS);
  await inPortions(() => deleteSettledMails(reader, SETTLED_KEPT_SECONDS));
}
