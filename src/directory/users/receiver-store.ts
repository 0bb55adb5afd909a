// The queries about the recipient of a mail: the address, the name and the language.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { stored } from '../../base/secrets/personal.ts';
import { byEmail, withPerson } from './person-store.ts';

export interface Receiver {
  readonly id: string;
  /** The address as it was typed, to which mails are sent. */
  readonly email: string;
  readonly name: string;
  /** Null when the language is unknown. */
  readonly locale: Language | null;
  readonly isActive: boolean;
  readonly isEmailVerified: boolean;
}

const RECEIVER = statement(`
SELECT u.id::text, ${stored('u.email')} AS email, ${stored('u.name')} AS name, u.locale, u.status = 'active' AS "isActive",
  u.email_verified_at IS NOT NULL AS "isEmailVerified"
FROM users u WHERE u.id = $1::uuid`);

/** The user with this id as the recipient of a mail; null when there is none. */
export async function findReceiver(tx: SystemReader, userId: string): Promise<Receiver | null> {
  const [row] = await tx.rows<Receiver>(RECEIVER, [userId]);
  return row ? tx.personal.opening((open) => withPerson(open, row)) : null;
}

const LOCALE = byEmail((is) => `SELECT u.locale FROM users u WHERE ${is}`);

/** The language of the account with this canonical e-mail; null when there is none, or its language is unknown. */
export async function findLocaleOfMailbox(tx: SystemTx, emailKey: string): Promise<Language | null> {
  const { query, values } = LOCALE(tx, emailKey);
  const [row] = await tx.rows<{ locale: Language | null }>(query, values);
  return row?.locale ?? null;
}
