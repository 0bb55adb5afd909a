// The mails of a change of the address: to the new address, with the link and the code that prove it, and to the former
// one, with the link that restores it. While such a mail is on the way, its account does not have the address to which
// it goes. So the row of the outbox has that address, sealed, until the mail is sent, given up or dropped; the row of a
// mail to the former address has it also after the mail is given up, for as long as the link would work.
import type { SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Mail } from '../../base/mail/smtp.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { findActorWait } from '../../base/outbox/budget-store.ts';
import { ADDRESS_BUDGET, enqueue, enqueueBounded } from '../../base/outbox/enqueue.ts';
import { type MailKind, newestOnly } from '../../base/outbox/kinds.ts';
import { findRecipient, sealRecipient } from '../../base/outbox/recipient-store.ts';
import { newId } from '../../base/platform/random.ts';
import { type CreateDeps, createOneTime, keepRestorable } from '../../credentials/one-time/create.ts';
import { lockOwner } from '../../credentials/one-time/store.ts';
import { type EmailAddress, parseEmail } from '../../directory/users/email.ts';
import { isChangeUndone, isDisputed } from '../../directory/users/email-store.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import { findReceiver, type Receiver } from '../../directory/users/receiver-store.ts';
import { lockSession } from '../../directory/users/session-store.ts';

export const CONFIRM_MAIL = 'email_change_confirm';
export const NOTICE_MAIL = 'email_change_notice';
const TOO_MANY =
  'You have asked for another e-mail too often: open the newest mail, or try again after the seconds in Retry-After.';

export interface ChangeMailDeps extends CreateDeps {
  readonly mailKit: MailKit;
}

/** Both kinds of mails for the outbox. */
export function emailChangeMails(deps: ChangeMailDeps): MailKind[] {
  return [confirmMail(deps), noticeMail(deps)];
}

/**
 * Requests the mail that proves the new address, unless the budget of that address is used up. `sessionId` is the
 * session that asked. The work is the same for an address that another account has: `prepare` finds that out. Raises
 * too_many_requests when the user has requested too many of these mails. The caller has locked the user.
 */
export async function enqueueConfirmMail(
  deps: CreateDeps,
  tx: SystemTx,
  asked: { readonly userId: string; readonly email: EmailAddress; readonly sessionId: string },
): Promise<void> {
  const { userId, email, sessionId } = asked;
  const retryAfterSeconds = await findActorWait(tx, CONFIRM_MAIL, userId, ADDRESS_BUDGET);
  if (retryAfterSeconds > 0) throw problem('too_many_requests', { detail: TOO_MANY, retryAfterSeconds });
  const id = newId(deps.random, deps.clock);
  const row = { id, kind: CONFIRM_MAIL, subjectId: userId, recipientKey: email.key, actorId: userId };
  await enqueueBounded(tx, { ...row, ...ADDRESS_BUDGET, isAllowed: true });
  await sealRecipient(tx, id, { email: email.address, locale: null, about: sessionId });
}

// The mail is unwanted once the session that asked has ended: whatever ends the sessions of a person whose account
// somebody else has used also ends what the other person asked for.
function confirmMail(deps: ChangeMailDeps): MailKind {
  return {
    kind: CONFIRM_MAIL,
    prepare: newestOnly({
      async lock(tx, { subjectId }) {
        await lockOwner(tx, subjectId);
        const receiver = await findReceiver(tx, subjectId);
        return receiver?.isActive ? receiver : null;
      },
      async prepare(tx, { id }, user) {
        const asked = await findRecipient(tx, id);
        const email = asked && parseEmail(asked.email);
        if (!email || asked.about === undefined || (await isDisputed(tx, user.id, email.key))) return null;
        const sessionId = asked.about;
        if (!(await lockSession(tx, { id: user.id, sessionId })).live) return null;
        return prove(deps, tx, { user, email, sessionId });
      },
    }),
  };
}

interface Proving {
  readonly user: Receiver;
  readonly email: EmailAddress;
  readonly sessionId: string;
}

/**
 * Makes the mail that proves the new address. If another account has the address, the owner of that account gets
 * another mail, unless the account is disabled, and nobody gets the token. The token exists all the same, so that the
 * user who asked sees the same as with a free address.
 */
async function prove(deps: ChangeMailDeps, tx: SystemTx, { user, email, sessionId }: Proving): Promise<Mail | null> {
  const { id: userId, locale } = user;
  const proof = await createOneTime(deps, tx, { userId, purpose: 'change_email', address: email, sessionId });
  const found = await findAccountByMailbox(tx, email.key);
  if (!found) return { to: email.address, ...writeMail(deps.mailKit, CONFIRM_MAIL, locale, proof) };
  const owner = found.id === userId ? null : await findReceiver(tx, found.id);
  if (!owner?.isActive) return null;
  return { to: owner.email, ...writeMail(deps.mailKit, 'account_exists', owner.locale, { reason: 'emailChange' }) };
}

/**
 * Requests the mail to the former address, in the transaction that has changed it. The mail is unwanted if nobody has
 * proven that this address belongs to the user: its owner may be a stranger, who must not get the account. From now on,
 * nobody can register the address without a proof (see `isRestorable`). The caller has locked the user.
 */
export async function enqueueNoticeMail(
  deps: CreateDeps,
  tx: SystemTx,
  { former, newEmail }: { readonly former: Receiver; readonly newEmail: string },
): Promise<void> {
  if (!former.isEmailVerified) return;
  const id = newId(deps.random, deps.clock);
  await enqueue(tx, { id, kind: NOTICE_MAIL, subjectId: former.id });
  await sealRecipient(tx, id, { email: former.email, locale: former.locale, about: newEmail });
  await keepRestorable(deps, tx, { userId: former.id, address: parseEmail(former.email) });
}

/**
 * Returns the mail kind for the outbox. The token in the mail is about the moment of the change, so that the token of a
 * later change is about a later moment.
 */
function noticeMail(deps: ChangeMailDeps): MailKind {
  return {
    kind: NOTICE_MAIL,
    async prepare(tx, { id, subjectId: userId }) {
      await lockOwner(tx, userId);
      const receiver = await findReceiver(tx, userId);
      const asked = await findRecipient(tx, id);
      const former = asked && parseEmail(asked.email);
      // The owner of a disabled account also learns of the change: the link works when the account is enabled again.
      if (!receiver || !former || asked.about === undefined) return null;
      if (await isChangeUndone(tx, userId, asked.requestedAt)) return null;
      const created = { userId, purpose: 'revert_email', address: former, aboutAt: asked.requestedAt } as const;
      const { token, expiresAt } = await createOneTime(deps, tx, created);
      const about = { newEmail: asked.about, token, expiresAt };
      return { to: former.address, ...writeMail(deps.mailKit, NOTICE_MAIL, receiver.locale, about) };
    },
  };
}
