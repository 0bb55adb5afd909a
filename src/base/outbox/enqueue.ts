// Requests a mail by one row in the transaction that causes it. The mail is sent only if that transaction is committed.
// The row has ids, never a secret and never the text of the mail.
import type { OrganizationTx, SystemTx } from '../database/db.ts';
import { insertMail, insertMailDueAt } from './store.ts';

export interface NewMail {
  readonly id: string;
  readonly kind: string;
  /** The organization of the transaction. Left out for a mail that belongs to no organization. */
  readonly organizationId?: string;
  /** The user who receives it. Left out when the recipient may have no account. */
  readonly userId?: string;
  /** The id of its subject, such as an invitation or a user. */
  readonly subjectId: string;
  /** While a row of the same organization and kind with the same key exists, no further row is written. */
  readonly dedupeKey?: string;
  /** The address in its canonical form, if the mail counts in the budget of the address. */
  readonly recipientKey?: string;
  /** The user who caused it, if the mail counts in the budget of this user. */
  readonly actorId?: string | null;
}

/** Requests a mail. After the commit, nudge the outbox. `dueAt` is now by default; only a SystemTx may set it. */
export function enqueue(tx: OrganizationTx, mail: NewMail): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail): Promise<void>;
export function enqueue(tx: SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void> {
  const { dueAt, ...row } = mail;
  return dueAt ? insertMailDueAt(tx as SystemTx, row, dueAt) : insertMail(tx, row);
}
