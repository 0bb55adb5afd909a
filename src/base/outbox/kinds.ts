// A kind of mail for the outbox has a name and the function that creates a due mail. Each kind belongs to the feature
// that sends it.
import type { SystemTx } from '../database/db.ts';
import type { MailFailure } from '../mail/failures.ts';
import type { Mail } from '../mail/smtp.ts';

/** A row of the outbox, with the ids of the recipient and the subject of a mail. */
export interface MailRow {
  readonly id: string;
  readonly kind: string;
  /**
   * The organization that requested the mail. Null for a mail that belongs to no organization, which only a SystemTx
   * can request.
   */
  readonly organizationId: string | null;
  /** The user who receives it; null when the recipient may have no account. */
  readonly userId: string | null;
  readonly subjectId: string;
}

/** The mail must be sent later and not now. The attempt does not count. */
export interface Postponed {
  readonly againSeconds: number;
  readonly failure: MailFailure;
}

export interface MailKind {
  /** The name in the rows: lower-case letters, digits and underscores. */
  readonly kind: string;
  /**
   * Creates the mail. A one-time token in the mail is also created here, so that no token is stored before. Runs in a
   * short transaction at every attempt. Returns null when the mail is no longer wanted. Then the mail is never sent.
   */
  prepare(tx: SystemTx, row: MailRow): Promise<Mail | Postponed | null>;
}
