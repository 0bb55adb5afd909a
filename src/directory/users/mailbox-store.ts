// The queries about the proof of a mailbox. A user proves a mailbox with a token that was sent only to that mailbox.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

export interface AccountFound {
  readonly id: string;
  /** Whether the account is active and nobody has proven its mailbox yet. */
  readonly canBeTakenOver: boolean;
}

const FIND = statement(`
SELECT id::text, email_verified_at IS NULL AND status = 'active' AS "canBeTakenOver" FROM users WHERE email_key = $1`);

/** The account with this canonical e-mail. */
export async function findAccountByMailbox(tx: SystemReader, emailKey: string): Promise<AccountFound | null> {
  const [row] = await tx.rows<AccountFound>(FIND, [emailKey]);
  return row ?? null;
}

const KEY = statement(`SELECT email_key AS "emailKey" FROM users WHERE id = $1`);

/** The canonical e-mail of a user. */
export async function findEmailKey(tx: SystemReader, userId: string): Promise<string | null> {
  const [row] = await tx.rows<{ emailKey: string }>(KEY, [userId]);
  return row?.emailKey ?? null;
}

const VERIFY = statement(`
UPDATE users SET email_verified_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = $1::uuid AND email_verified_at IS NULL RETURNING id`);

/** Records that the mailbox is proven. Returns false when the mailbox was already proven. */
export async function markEmailVerified(tx: SystemTx, userId: string): Promise<boolean> {
  return (await tx.rows(VERIFY, [userId])).length > 0;
}

// The value of claimed_at is now(), which is the start of the transaction. A membership that this transaction adds has
// the same instant, so it does not count as older than the takeover.
// The hash is written in the same statement. A sign-in with the old password either waits for the lock of the row or
// reads the new hash.
// $1 user, $2 e-mail, $3 name, $4 hash of the password.
const TAKE_OVER = statement(`
WITH taken_over AS (
  UPDATE users SET email = $2, name = $3, email_verified_at = clock_timestamp(), claimed_at = now(),
    updated_at = clock_timestamp()
  WHERE id = $1::uuid AND email_verified_at IS NULL AND status = 'active' RETURNING id
)
INSERT INTO passwords (user_id, hash, changed_at) SELECT id, $4, clock_timestamp() FROM taken_over
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
RETURNING user_id`);

export interface Takeover {
  readonly userId: string;
  /** The address to which the proving token was sent. */
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
}

/**
 * Gives an account with an unproven mailbox to the person who has now proven the mailbox. It replaces the name and the
 * password, because another person may have set them. Returns false when the mailbox was proven, or the account was
 * disabled, in the meantime.
 */
export async function takeOverUnproven(
  tx: SystemTx,
  { userId, email, name, passwordHash }: Takeover,
): Promise<boolean> {
  return (await tx.rows(TAKE_OVER, [userId, email, name, passwordHash])).length > 0;
}
