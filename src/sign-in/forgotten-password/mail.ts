// The mail with the link and the code for a new password.
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { type MailKind, newestOnly } from '../../base/outbox/kinds.ts';
import { type CreateDeps, createOneTime } from '../../credentials/one-time/create.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';

/**
 * The kind of the mail in the outbox. The subject of the row is the user, or for an unknown address an id that no user
 * has.
 */
export const RESET_MAIL = 'reset_password';

/** Returns the mail kind for the outbox. Only an active account gets the mail, whether its address is proven or not. */
export function resetMail(deps: CreateDeps & { readonly mailKit: MailKit }): MailKind {
  return {
    kind: RESET_MAIL,
    prepare: newestOnly({
      async lock(tx, { subjectId }) {
        await lockOwner(tx, subjectId);
        const receiver = await findReceiver(tx, subjectId);
        return receiver?.isActive ? receiver : null;
      },
      async prepare(tx, _, { id: userId, email, locale }) {
        const key = parseEmail(email)?.key;
        if (key === undefined) return null;
        const address = { address: email, key };
        const proof = await createOneTime(deps, tx, { userId, purpose: RESET_MAIL, address });
        return { to: email, ...writeMail(deps.mailKit, RESET_MAIL, locale, proof) };
      },
    }),
  };
}
