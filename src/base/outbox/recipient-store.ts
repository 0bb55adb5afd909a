// The queries about the recipients of mails to addresses that belong to no account, or no longer do. A trigger removes
// the recipient when the mail has been sent or dropped, is no longer wanted, or is dead. Only a dead mail to the former
// address of an account keeps its recipient, so that an operator can still retry the mail.
import { type SystemReader, type SystemTx, statement } from '../database/db.ts';

export interface Recipient {
  readonly email: string;
  /** The tag of the language; null when it is unknown. */
  readonly locale: string | null;
  /** What the mail is about, if that is sealed, too. */
  readonly about?: string;
}

const SEAL = statement(`UPDATE outbox SET recipient_sealed = decode($2, 'base64') WHERE id = $1::uuid`);

/** Stores the recipient of a mail that was requested in this transaction. */
export async function sealRecipient(tx: SystemTx, mailId: string, recipient: Recipient): Promise<void> {
  await tx.rows(SEAL, [mailId, tx.personal.seal('outbox.recipient', mailId, JSON.stringify(recipient))]);
}

const FIND = statement(`
SELECT 's' || encode(recipient_sealed, 'base64') AS recipient, created_at AS "requestedAt" FROM outbox WHERE id = $1::uuid`);

/** The recipient, and when the mail was requested. Null when the row has no recipient. */
export async function findRecipient(
  tx: SystemTx,
  mailId: string,
): Promise<(Recipient & { readonly requestedAt: Date }) | null> {
  const [row] = await tx.rows<{ recipient: string | null; requestedAt: Date }>(FIND, [mailId]);
  const text = row && (await tx.personal.opening((open) => open('outbox.recipient', mailId, row.recipient)));
  if (!text) return null;
  return { ...(JSON.parse(text) as Recipient), requestedAt: row.requestedAt };
}

// A waiting mail has its recipient until it is sent or given up.
const FORGET_OLD = statement(`
UPDATE outbox SET recipient_sealed = NULL WHERE recipient_sealed IS NOT NULL AND due_at IS NULL
  AND created_at < clock_timestamp() - $1::float8 * interval '1 second'`);

/** Removes the recipients of dead mails that were requested longer than `olderThanSeconds` ago. */
export async function forgetOldRecipients(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(FORGET_OLD, [olderThanSeconds]);
}
