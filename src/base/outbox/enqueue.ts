// Requests a mail by inserting one row in the transaction that causes the mail. The mail is sent only if that
// transaction is committed. The row has the ids that the mail needs, and never a secret or the text of the mail.
import type { OrganizationTx, SystemTx } from '../database/db.ts';
import { insertBoundedMail } from './bounded-store.ts';
import { insertMail, insertMailDueAt } from './store.ts';

export interface NewMail {
  readonly id: string;
  readonly kind: string;
  /** The organization of the transaction. Left out for a mail that belongs to no organization. */
  readonly organizationId?: string;
  /** The user who receives it. Left out when the recipient may have no account. */
  readonly userId?: string;
  /** The id of the subject of the mail, such as an invitation or a user. */
  readonly subjectId: string;
  /** While a row with the same organization, kind and key exists, no further row is written. */
  readonly dedupeKey?: string;
  /** The address in its canonical form, if the mail counts in the budget of the address. */
  readonly recipientKey?: string;
  /** The user who caused it, if the mail counts in the budget of this user. */
  readonly actorId?: string | null;
}

/**
 * Requests a mail. After the commit, the caller nudges the outbox. By default, `dueAt` is now. Only a SystemTx may set
 * it.
 */
export function enqueue(tx: OrganizationTx, mail: NewMail): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail): Promise<void>;
export function enqueue(tx: SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void> {
  const { dueAt, ...row } = mail;
  return dueAt ? insertMailDueAt(tx as SystemTx, row, dueAt) : insertMail(tx, row);
}

/**
 * The maximum number of mails of one kind to one address, or to the address of one user, in an hour and in 24 hours.
 */
export const ADDRESS_BUDGET = { perHour: 5, perDay: 20 } as const;

/**
 * A mail for an address that may have no account, or that may belong to a person other than the one who requests it.
 */
export interface BoundedMail {
  readonly id: string;
  readonly kind: string;
  readonly subjectId: string;
  /** The address in its canonical form, whose budget counts the mail. */
  readonly recipientKey: string;
  /** The maximum number of mails of this kind to the address in an hour, and in 24 hours. */
  readonly perHour: number;
  readonly perDay: number;
  /** False for a mail that must not be requested. Then enqueueBounded does the same work, and requests nothing. */
  readonly isAllowed: boolean;
  /** The user who requests it, if the mail counts in the budget of this user. */
  readonly actorId?: string;
}

/**
 * Requests a mail unless the budget of its address is used up. The duration of the work does not show whether the mail
 * was requested, and the answer to the person who asked must not depend on the result. The caller does not nudge the
 * outbox, so that creating the mail does not delay the answer.
 */
export function enqueueBounded(tx: SystemTx, mail: BoundedMail): Promise<boolean> {
  return insertBoundedMail(tx, mail);
}
