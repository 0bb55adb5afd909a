// Asking for a mail: one row, in the transaction of its cause, so that it leaves exactly if that is committed. The row
// holds ids, never a secret and never the mail.
import type { OrganizationTx, SystemTx } from '../database/db.ts';
import { insertMail, insertMailDueAt } from './store.ts';

export interface NewMail {
  readonly id: string;
  readonly kind: string;
  /** In a transaction of an organization: that one. Left out for a mail of none. */
  readonly organizationId?: string;
  /** Whom it is to, where that is somebody with an account. */
  readonly userId?: string;
  /** What it is about: an invitation, a user. */
  readonly subjectId: string;
  /** Of the rows of one organization and kind with the same key only the first is written, as long as it is kept. */
  readonly dedupeKey?: string;
  /** The address in its canonical form, where the mail counts in the budget of it. */
  readonly recipientKey?: string;
  /** Who caused it, where it counts in their budget. */
  readonly actorId?: string | null;
}

/** Asks for a mail; after the commit the outbox may be nudged. `dueAt`, which only the system may say, is now by default. */
export function enqueue(tx: OrganizationTx, mail: NewMail): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail): Promise<void>;
export function enqueue(tx: SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void>;
export function enqueue(tx: OrganizationTx | SystemTx, mail: NewMail & { readonly dueAt?: Date }): Promise<void> {
  const { dueAt, ...row } = mail;
  return dueAt ? insertMailDueAt(tx as SystemTx, row, dueAt) : insertMail(tx, row);
}
