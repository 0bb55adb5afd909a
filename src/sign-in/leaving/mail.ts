// The mail to the former owner of an account that was closed. The account has no address any more, so the row of the
// outbox has it, sealed, until the mail is sent, given up or dropped.
import type { SystemTx } from '../../base/database/db.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { enqueue } from '../../base/outbox/enqueue.ts';
import type { MailKind } from '../../base/outbox/kinds.ts';
import { findRecipient, sealRecipient } from '../../base/outbox/recipient-store.ts';
import { languageOf } from '../../base/page-kit/language.ts';
import type { ClosableAccount } from '../../directory/users/close-store.ts';

const ACCOUNT_CLOSED_MAIL = 'account_closed';

/** Requests the mail, unless nobody has proven that the address belongs to the user. */
export async function enqueueClosedMail(
  tx: SystemTx,
  mailId: string,
  { id, email, locale, isEmailVerified }: ClosableAccount,
): Promise<void> {
  if (!isEmailVerified) return;
  await enqueue(tx, { id: mailId, kind: ACCOUNT_CLOSED_MAIL, subjectId: id });
  await sealRecipient(tx, mailId, { email, locale });
}

/** Returns the mail kind for the outbox. */
export function accountClosedMail({ mailKit }: { readonly mailKit: MailKit }): MailKind {
  return {
    kind: ACCOUNT_CLOSED_MAIL,
    async prepare(tx, { id }) {
      const found = await findRecipient(tx, id);
      if (!found) return null; // the mail was given up, so its address is gone
      const language = languageOf(found.locale ?? undefined);
      return { to: found.email, ...writeMail(mailKit, ACCOUNT_CLOSED_MAIL, language, { at: found.requestedAt }) };
    },
  };
}
