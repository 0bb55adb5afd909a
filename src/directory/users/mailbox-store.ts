// The queries about the proof of a mailbox. A user proves a mailbox with a token that was sent only to that mailbox.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { stored } from '../../base/secrets/personal.ts';
import { parseEmail } from './email.ts';
import { byEmail } from './person-store.ts';

export interface AccountFound {
  readonly id: string;
  /** Whether the account is active and nobody has proven its mailbox yet. */
  readonly canBeTakenOver: boolean;
}

const FIND = byEmail(
  (is) => `
SELECT u.id::text, u.email_verified_at IS NULL AND u.status = 'active' AS "canBeTakenOver" FROM users u WHERE ${is}`,
);

/** The account with this canonical e-mail. */
export async function findAccountByMailbox(tx: SystemReader, emailKey: string): Promise<AccountFound | null> {
  const { query, values } = FIND(tx, emailKey);
  const [row] = await tx.rows<AccountFound>(query, values);
  return row ?? null;
}

const EMAIL = statement(`SELECT ${stored('u.email')} AS email FROM users u WHERE u.id = $1`);

/** The canonical e-mail of a user. */
export async function findEmailKey(tx: SystemReader, userId: string): Promise<string | null> {
  const [row] = await tx.rows<{ email: string }>(EMAIL, [userId]);
  if (!row) return null;
  const email = await tx.personal.opening((open) => open('users.email', userId, row.email));
  return parseEmail(email)?.key ?? null;
}

const IS_PROVEN = statement('SELECT 1 FROM users WHERE id = $1::uuid AND email_verified_at IS NOT NULL');

/** Whether the mailbox of a user, whom the transaction can see, is proven. */
export async function isMailboxProven(tx: OrganizationTx | SystemTx, userId: string): Promise<boolean> {
  return (await tx.rows(IS_PROVEN, [userId])).length > 0;
}

const VERIFY = statement(`
UPDATE users SET email_verified_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = $1::uuid AND email_verified_at IS NULL AND status <> 'closed' RETURNING id`);

/** Records that the mailbox is proven. Returns false when the mailbox was already proven, or the account is closed. */
export async function markEmailVerified(tx: SystemTx, userId: string): Promise<boolean> {
  return (await tx.rows(VERIFY, [userId])).length > 0;
}

// The value of claimed_at is now(), which is the start of the transaction. A membership that this transaction adds has
// the same instant, so it does not count as older than the takeover.
// The hash is written in the statement that takes the account over. A sign-in with the old password either waits for
// the lock of the row or reads the new hash. The column email_key is not changed, because the account was found by the
// key. $1 user, $2 e-mail and $3 name, null once nothing is stored unsealed, $4 hash of the password, null for an
// account without a password, $5 and $6 e-mail and name sealed, $7 lookup of the e-mail, $8 and $9 grams of name and
// e-mail, $10 language or null.
const TAKE_OVER = statement(`
WITH taken_over AS (
  UPDATE users SET email = $2, name = $3, email_sealed = decode($5, 'base64'), name_sealed = decode($6, 'base64'),
    email_lookup = decode($7, 'base64'), email_verified_at = clock_timestamp(), claimed_at = now(), locale = $10,
    updated_at = clock_timestamp()
  WHERE id = $1::uuid AND email_verified_at IS NULL AND status = 'active' RETURNING id
),
searchable AS (
  INSERT INTO user_search (user_id, name_grams, email_grams)
  SELECT id, $8::text[]::bigint[], $9::text[]::bigint[] FROM taken_over
  ON CONFLICT (user_id) DO UPDATE SET name_grams = excluded.name_grams, email_grams = excluded.email_grams
),
replaced AS (
  INSERT INTO passwords (user_id, hash, changed_at)
  SELECT id, $4, clock_timestamp() FROM taken_over WHERE $4::text IS NOT NULL
  ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
),
removed AS (DELETE FROM passwords USING taken_over WHERE user_id = id AND $4::text IS NULL)
SELECT id FROM taken_over`);

export interface Takeover {
  readonly userId: string;
  /** The address to which the proving token was sent. */
  readonly email: string;
  readonly emailKey: string;
  readonly name: string;
  /** Null leaves the account without a password. */
  readonly passwordHash: string | null;
  readonly locale: Language | null;
}

/**
 * Gives an account with an unproven mailbox to the person who has now proven the mailbox. It replaces the name, the
 * password and the language, because another person may have set them. Returns false when the mailbox was proven, or
 * the account was disabled, in the meantime.
 */
export async function takeOverUnproven(
  tx: SystemTx,
  { userId, email, emailKey, name, passwordHash, locale }: Takeover,
): Promise<boolean> {
  const { personal } = tx;
  const values = [
    ...[userId, personal.clear(email), personal.clear(name), passwordHash],
    ...[personal.seal('users.email', userId, email), personal.seal('users.name', userId, name)],
    ...[personal.lookup('users.email', emailKey), personal.grams(name), personal.grams(email), locale],
  ];
  return (await tx.rows(TAKE_OVER, values)).length > 0;
}
