// What a kind of mail is to the outbox: a name, and how one mail of it is made once it is due. The kinds themselves
// belong to the features whose mails they are.
import type { SystemTx } from '../database/db.ts';
import type { MailFailure } from '../mail/failures.ts';
import type { Mail } from '../mail/smtp.ts';

/** What the outbox knows of a mail: whom and what it is about, by id. */
export interface MailRow {
  readonly id: string;
  readonly kind: string;
  /** Whose transaction has asked for it; null for a mail of no organization, for which only the system asks. */
  readonly organizationId: string | null;
  /** Whom it is to; null for somebody who need not have an account. */
  readonly userId: string | null;
  readonly subjectId: string;
}

/** A mail that is wanted, but not now. The attempt does not count. */
export interface Postponed {
  readonly againSeconds: number;
  readonly failure: MailFailure;
}

export interface MailKind {
  /** As in the rows: lower-case letters, digits and underscores. */
  readonly kind: string;
  /**
   * Makes the mail, with its one-time token where it has one, so that no token is at rest before. Runs in a short
   * transaction, each time the mail is tried. Null: it is not wanted any more, and is never sent.
   */
  prepare(tx: SystemTx, row: MailRow): Promise<Mail | Postponed | null>;
}
