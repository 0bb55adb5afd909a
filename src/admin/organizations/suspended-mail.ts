// The mail to the owners of an organization that was suspended.
import type { SystemTx } from '../../base/database/db.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { enqueue } from '../../base/outbox/enqueue.ts';
import { type MailKind, newestOnly } from '../../base/outbox/kinds.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { listActiveOwners, lockSuspended } from './owner-store.ts';

export const SUSPENDED_MAIL = 'organization_suspended';

/** Requests a mail to each active owner, at most 100 of them, in the transaction that suspends the organization. */
export async function requestSuspendedMails(
  { random, clock }: { readonly random: Random; readonly clock: Clock },
  tx: SystemTx,
  organizationId: string,
): Promise<void> {
  for (const userId of await listActiveOwners(tx, organizationId)) {
    const id = newId(random, clock);
    await enqueue(tx, { id, kind: SUSPENDED_MAIL, organizationId, userId, subjectId: userId });
  }
}

/** Returns the mail kind for the outbox. The mail is not sent if the organization is active again by then. */
export function suspendedMail({ mailKit }: { readonly mailKit: MailKit }): MailKind {
  return {
    kind: SUSPENDED_MAIL,
    prepare: newestOnly({
      lock: async (tx, { organizationId }) => organizationId && (await lockSuspended(tx, organizationId)),
      async prepare(tx, { userId, requestedAt: at }, organizationName) {
        const receiver = userId === null ? null : await findReceiver(tx, userId);
        if (!receiver?.isActive) return null;
        const { email: to, locale } = receiver;
        return { to, ...writeMail(mailKit, SUSPENDED_MAIL, locale, { organizationName, at }) };
      },
    }),
  };
}
