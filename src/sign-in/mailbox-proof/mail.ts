// The mail with the link and the code that prove the address of an account.

import type { SystemTx } from '../../base/database/db.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { ADDRESS_BUDGET, enqueueBounded } from '../../base/outbox/enqueue.ts';
import { type MailKind, newestOnly } from '../../base/outbox/kinds.ts';
import { newId } from '../../base/platform/random.ts';
import { type CreateDeps, createOneTime } from '../../credentials/one-time/create.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';

/** The kind of the mail in the outbox, and the purpose of its token. The subject of the row is the user. */
export const VERIFY_MAIL = 'verify_email';

/** Returns the mail kind for the outbox. The mail is unwanted once the address is proven or the account is disabled. */
export function verifyMail(deps: CreateDeps & { readonly mailKit: MailKit }): MailKind {
  return {
    kind: VERIFY_MAIL,
    prepare: newestOnly({
      async lock(tx, { subjectId }) {
        await lockOwner(tx, subjectId);
        const receiver = await findReceiver(tx, subjectId);
        return receiver?.isActive && !receiver.isEmailVerified ? receiver : null;
      },
      async prepare(tx, _, { id: userId, email, locale }) {
        const key = parseEmail(email)?.key;
        if (key === undefined) return null;
        const proof = await createOneTime(deps, tx, { userId, purpose: VERIFY_MAIL, address: { address: email, key } });
        return { to: email, ...writeMail(deps.mailKit, VERIFY_MAIL, locale, proof) };
      },
    }),
  };
}

/** Requests the mail for an account, unless the budget of its address is used up. */
export async function enqueueVerifyMail(
  deps: CreateDeps,
  tx: SystemTx,
  { userId, emailKey }: { readonly userId: string; readonly emailKey: string },
): Promise<void> {
  await enqueueBounded(tx, {
    ...{ id: newId(deps.random, deps.clock), kind: VERIFY_MAIL, subjectId: userId, recipientKey: emailKey },
    ...{ ...ADDRESS_BUDGET, isAllowed: true },
  });
}
