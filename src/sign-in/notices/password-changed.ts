// The mail which says that a password was changed. A change by the user, a reset, a change by an operator and the
// return to a former address request it.
import type { SystemTx } from '../../base/database/db.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { isWithinBudget } from '../../base/outbox/bounded-store.ts';
import { ADDRESS_BUDGET, enqueue } from '../../base/outbox/enqueue.ts';
import type { MailKind } from '../../base/outbox/kinds.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { nameDevice } from './device-name.ts';
import { findSessionDevice } from './store.ts';

export const PASSWORD_CHANGED_MAIL = 'password_changed';

export interface NoticeDeps {
  readonly mailKit: MailKit;
  /** The network of an address, such as 192.0.2.0/24. */
  readonly networkOf: (ip: string) => string;
}

/**
 * Requests the mail, in the transaction that changes the password. `sessionId` is the session with which the person
 * changed it; null when there is none, as after a reset or for an operator. After the commit, the caller may nudge the
 * outbox.
 */
export function requestPasswordChangedMail(
  { random, clock }: { readonly random: Random; readonly clock: Clock },
  tx: SystemTx,
  { userId, sessionId }: { readonly userId: string; readonly sessionId: string | null },
): Promise<void> {
  const subjectId = sessionId ?? userId;
  return enqueue(tx, { id: newId(random, clock), kind: PASSWORD_CHANGED_MAIL, userId, subjectId });
}

/**
 * Returns the mail kind for the outbox. A disabled account gets it, too: its owner must learn of the change. A person
 * who knows the password can change it again and again, so further mails are dropped once the budget of the owner is
 * used up. By then the owner has the mails about the changes before.
 */
export function passwordChangedMail({ mailKit, networkOf }: NoticeDeps): MailKind {
  return {
    kind: PASSWORD_CHANGED_MAIL,
    async prepare(tx, row) {
      const { userId, subjectId, requestedAt: at } = row;
      const receiver = userId && (await findReceiver(tx, userId));
      if (!receiver || !(await isWithinBudget(tx, row, ADDRESS_BUDGET))) return null;
      const used = await findSessionDevice(tx, subjectId, receiver.id);
      const device = nameDevice(used?.userAgent ?? null);
      const network = used?.ip ? networkOf(used.ip) : null;
      const { email: to, locale } = receiver;
      return { to, ...writeMail(mailKit, PASSWORD_CHANGED_MAIL, locale, { at, device, network }) };
    },
  };
}
