// The mail to an address with which somebody has registered. If the address has no account, or one that nobody has
// proven, the mail has the link and the code that prove it. Otherwise the mail tells the owner of the account that
// somebody has registered with the address.
import type { SystemTx } from '../../base/database/db.ts';
import type { Mail } from '../../base/mail/smtp.ts';
import { type MailKit, writeMail } from '../../base/mail-kit/kit.ts';
import { ADDRESS_BUDGET, enqueueBounded } from '../../base/outbox/enqueue.ts';
import type { MailKind } from '../../base/outbox/kinds.ts';
import { newId } from '../../base/platform/random.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { newCode, newToken, tokenHash } from '../../credentials/one-time/text.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { lockRegistration, type Registration, updateProof } from './store.ts';

/** The kind of the mail in the outbox. The subject of the row is the registration. */
export const REGISTRATION_MAIL = 'registration';

export interface RegistrationMailDeps extends CreateDeps {
  readonly mailKit: MailKit;
  /** False while nobody may register. Then no such mail is wanted. */
  readonly isOpen: boolean;
}

/** Returns the mail kind for the outbox. */
export function registrationMail(deps: RegistrationMailDeps): MailKind {
  return {
    kind: REGISTRATION_MAIL,
    async prepare(tx, { subjectId }) {
      if (!deps.isOpen) return null;
      const registration = await lockRegistration(tx, subjectId);
      return registration && write(deps, tx, registration);
    },
  };
}

// A registration with the address of an account gets a token and a code, too, which are in no mail. So the
// person who registered sees the same for every code that they guess.
async function write(deps: RegistrationMailDeps, tx: SystemTx, registration: Registration): Promise<Mail | null> {
  const { id, email, locale } = registration;
  const [token, code] = [newToken(deps.random), newCode(deps.random)];
  const times = await updateProof(tx, { id, tokenHash: tokenHash(token) ?? '', code });
  const account = await findAccountByMailbox(tx, parseEmail(email)?.key ?? '');
  if (!account || account.canBeTakenOver) {
    return { to: email, ...writeMail(deps.mailKit, REGISTRATION_MAIL, locale, { token, code, ...times }) };
  }
  const owner = await findReceiver(tx, account.id);
  if (!owner?.isActive) return null;
  return { to: owner.email, ...writeMail(deps.mailKit, 'account_exists', owner.locale, { reason: 'registered' }) };
}

/**
 * Requests the mail, unless the budget of the address is used up. Returns whether the mail was requested: without it,
 * nobody can prove the registration.
 */
export function enqueueRegistrationMail(
  deps: CreateDeps,
  tx: SystemTx,
  { id, emailKey, isAllowed }: { readonly id: string; readonly emailKey: string; readonly isAllowed: boolean },
): Promise<boolean> {
  return enqueueBounded(tx, {
    ...{ id: newId(deps.random, deps.clock), kind: REGISTRATION_MAIL, subjectId: id, recipientKey: emailKey },
    ...{ ...ADDRESS_BUDGET, isAllowed },
  });
}
