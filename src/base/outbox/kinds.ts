// A kind of mail for the outbox has a name and the function that creates a due mail. Each kind belongs to the feature
// that sends it.
import type { SystemTx } from '../database/db.ts';
import type { MailFailure } from '../mail/failures.ts';
import type { Mail } from '../mail/smtp.ts';
import { isNewestMail } from './store.ts';

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
  /** When the mail was requested. */
  readonly requestedAt: Date;
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

/** The steps of a kind of which only the newest mail about its subject is sent. */
export interface NewestOnly<Subject> {
  /** Locks the subject until the end of the transaction. Returns null when the mail is no longer wanted. */
  lock(tx: SystemTx, row: MailRow): Promise<Subject | null>;
  /** As in MailKind. The mail is the newest one about its subject. A one-time token is created here. */
  prepare(tx: SystemTx, row: MailRow, subject: Subject): Promise<Mail | Postponed | null>;
}

/**
 * Returns the `prepare` of such a kind. Of two mails about one subject only the newer is sent, whichever is processed
 * first: the lock orders them, and the older one is recognized before it makes a token that would replace that of the
 * newer one.
 */
export function newestOnly<Subject>({ lock, prepare }: NewestOnly<Subject>): MailKind['prepare'] {
  return async (tx, row) => {
    const subject = await lock(tx, row);
    return subject !== null && (await isNewestMail(tx, row)) ? prepare(tx, row, subject) : null;
  };
}
