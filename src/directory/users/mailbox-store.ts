// The queries of an account whose mailbox is proven: by a token that was sent there and nowhere else.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

export interface AccountFound {
  readonly id: string;
  /** Nobody has ever proven that the mailbox is theirs, and the account may be used. */
  readonly canBeTakenOver: boolean;
}

const FIND = statement(`
SELECT id::text, email_verified_at IS NULL AND status = 'active' AS canBeTakenOver FROM users WHERE email_key = $1`);

/** The account with this e-mail (canonical). */
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

/** The mailbox is proven; false when it was before. */
export async function markEmailVerified(tx: SystemTx, userId: string): Promise<boolean> {
  return (await tx.rows(VERIFY, [userId])).length > 0;
}

// Claimed as the transaction began, which is when a membership that it brings is counted from.
// The hash is written in the same statement: a sign-in that checks the old password meets the row's lock or the new hash.
// $1 user, $2 e-mail, $3 name, $4 hash of the password.
const CLAIM = statement(`
WITH claimed AS (
  UPDATE users SET email = $2, name = $3, email_verified_at = clock_timestamp(), claimed_at = now(),
    updated_at = clock_timestamp()
  WHERE id = $1::uuid AND email_verified_at IS NULL AND status = 'active' RETURNING id
)
INSERT INTO passwords (user_id, hash, changed_at) SELECT id, $4, clock_timestamp() FROM claimed
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at
RETURNING user_id`);

export interface Takeover {
  readonly userId: string;
  /** As it was proven. */
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
}

/**
 * Hands an account that was never proven to whoever has now proven its mailbox: the name and the password that were
 * planted there are gone. False when it was proven or disabled meanwhile.
 */
export async function takeOverUnproven(
  tx: SystemTx,
  { userId, email, name, passwordHash }: Takeover,
): Promise<boolean> {
  return (await tx.rows(CLAIM, [userId, email, name, passwordHash])).length > 0;
}
