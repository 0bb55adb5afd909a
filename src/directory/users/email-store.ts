// The queries that change the address of an account, and the record of the changes that were undone.
import { type SystemTx, statement } from '../../base/database/db.ts';
import { sqlStateOf } from '../../base/database/sql-state.ts';
import type { EmailAddress } from './email.ts';

const UNIQUE_VIOLATION = '23505';

// $1 user, $2 e-mail and $3 its key, null once nothing is stored unsealed, $4 e-mail sealed, $5 its lookup, $6 grams.
const CHANGE = statement(`
WITH changed AS (
  UPDATE users u SET email = $2, email_key = $3, email_sealed = decode($4, 'base64'), email_lookup = decode($5, 'base64'),
    email_verified_at = clock_timestamp(), updated_at = clock_timestamp()
  WHERE u.id = $1::uuid AND u.status = 'active'
    AND NOT EXISTS (SELECT FROM users other WHERE other.email_lookup = decode($5, 'base64') AND other.id <> u.id)
  RETURNING u.id
),
searchable AS (
  INSERT INTO user_search (user_id, email_grams) SELECT id, $6::text[]::bigint[] FROM changed
  ON CONFLICT (user_id) DO UPDATE SET email_grams = excluded.email_grams
)
SELECT id::text FROM changed`);

/**
 * Gives the account this address, which is proven. Returns false when another account has it, or this account is not
 * active; the caller then undoes the transaction, in which no further statement may run.
 */
export async function updateEmail(tx: SystemTx, userId: string, { address, key }: EmailAddress): Promise<boolean> {
  const { personal } = tx;
  const values = [
    ...[userId, personal.clear(address), personal.clear(key), personal.seal('users.email', userId, address)],
    ...[personal.lookup('users.email', key), personal.grams(address)],
  ];
  try {
    return (await tx.rows(CHANGE, values)).length > 0;
  } catch (error) {
    if (sqlStateOf(error) === UNIQUE_VIOLATION) return false; // the other account got it at the same moment
    throw error;
  }
}

const REMOVE_PASSWORD = statement('DELETE FROM passwords WHERE user_id = $1::uuid');

/** Removes the password. The caller has locked the row of the user. */
export async function deletePassword(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(REMOVE_PASSWORD, [userId]);
}

// The addresses that the account got by the changes that are undone: the current one, and each address that the token
// of a later change would restore. The account may have the former one again, also if a later change disputed it. $1
// user, $2 lookup of the current address, $3 that of the former one, which the account gets back, $4 time of the first
// change that is undone.
const UNDO = statement(`
WITH undisputed AS (
  UPDATE email_reverts SET address_lookup = NULL WHERE user_id = $1::uuid AND address_lookup = decode($3, 'base64')
)
INSERT INTO email_reverts (id, user_id, address_lookup, undone_since)
SELECT gen_random_uuid(), $1::uuid, nullif(d.lookup, decode($3, 'base64')), $4::timestamptz
FROM (
  SELECT decode($2, 'base64') AS lookup
  UNION SELECT o.address_lookup FROM one_time_tokens o
  WHERE o.user_id = $1::uuid AND o.purpose = 'revert_email' AND o.about_at > $4::timestamptz
) AS d`);

export interface UndoneChanges {
  readonly userId: string;
  /** The canonical form of the address that the account has, and of the one that it gets back. */
  readonly currentKey: string;
  readonly formerKey: string;
  /** The time of the first change that is undone. */
  readonly since: Date;
}

/**
 * Records that the changes from `since` on are undone, and that the account must not get the addresses of these changes
 * again.
 */
export async function insertReverts(
  tx: SystemTx,
  { userId, currentKey, formerKey, since }: UndoneChanges,
): Promise<void> {
  const [current, former] = [currentKey, formerKey].map((key) => tx.personal.lookup('one_time_tokens.address', key));
  await tx.rows(UNDO, [userId, current, former, since.toISOString()]);
}

// $1 user, $2 time of the first change that is undone.
const RETURN = statement(
  `INSERT INTO email_reverts (id, user_id, undone_since) VALUES (gen_random_uuid(), $1::uuid, $2::text::timestamptz)`,
);

/**
 * Records that the changes from an instant on are undone, because the account returns to an earlier address. The
 * account may have the addresses of these changes again. `since` is an instant as the database writes it.
 */
export async function insertReturn(tx: SystemTx, userId: string, since: string): Promise<void> {
  await tx.rows(RETURN, [userId, since]);
}

// $1 user, $2 lookup of the address.
const IS_DISPUTED = statement(
  `SELECT 1 FROM email_reverts WHERE user_id = $1::uuid AND address_lookup = decode($2, 'base64') LIMIT 1`,
);

/** Whether the owner of this account undid a change of its e-mail to this canonical address. */
export async function isDisputed(tx: SystemTx, userId: string, emailKey: string): Promise<boolean> {
  const found = tx.personal.lookup('one_time_tokens.address', emailKey);
  return (await tx.rows(IS_DISPUTED, [userId, found])).length > 0;
}

// $1 user, $2 when the change was made.
const IS_UNDONE = statement(`
SELECT 1 FROM email_reverts
WHERE user_id = $1::uuid AND undone_since <= $2::timestamptz AND created_at > $2::timestamptz LIMIT 1`);

/** Whether the change of the address that was made at this instant is undone. */
export async function isChangeUndone(tx: SystemTx, userId: string, changedAt: Date): Promise<boolean> {
  return (await tx.rows(IS_UNDONE, [userId, changedAt.toISOString()])).length > 0;
}
