// The queries of one-time tokens. A transaction that makes, uses or ends tokens of an account locks the row of the user
// first, so that these changes run one after another and cannot deadlock. The clock of the database decides what has
// expired.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { type Purpose, WRONG_CODES_MAX, WRONG_CODES_PER_DAY_MAX } from './purposes.ts';

/** SQL: the token `o` was neither used nor ended. It may have expired. */
export const UNENDED = 'o.used_at IS NULL AND o.ended_at IS NULL';
/** SQL: the token `o` works. */
export const LIVE = `${UNENDED} AND o.expires_at > clock_timestamp()`;
const TODAY = `(clock_timestamp() AT TIME ZONE 'UTC')::date`;

/**
 * A one-time token. Only somebody who can read the mail of its address gets it, so the person who presents it has
 * proven that they can.
 */
export interface OneTime {
  readonly id: string;
  readonly userId: string;
  /** The address that it is about, as it was typed. */
  readonly address: string | null;
  /** The time of the change that the mail is about. */
  readonly aboutAt: Date;
  /** The session that asked for the mail, which may have ended; null when there was none. */
  readonly sessionId: string | null;
}

/** SQL: the columns of a OneTime, whose address is still sealed. */
export const COLUMNS = `o.id::text, o.user_id::text AS "userId", o.about_at AS "aboutAt",
  o.session_id::text AS "sessionId",
  's' || encode(o.address_sealed, 'base64') AS address`;

async function opened(tx: SystemReader, [row]: readonly OneTime[]): Promise<OneTime | null> {
  if (!row) return null;
  return tx.personal.opening((open) => ({ ...row, address: open('one_time_tokens.address', row.id, row.address) }));
}

const LOCK_USER = statement('SELECT 1 AS held FROM users WHERE id = $1::uuid FOR NO KEY UPDATE');

/** Locks the row of the user until the end of the transaction. */
export async function lockOwner(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(LOCK_USER, [userId]);
}

const LOCK_USER_OF = statement(`
SELECT 1 AS held FROM users
WHERE id = (SELECT o.user_id FROM one_time_tokens o WHERE o.token_hash = decode($1, 'hex')) FOR NO KEY UPDATE`);

/** Locks the row of the user of the token with this hash, live or not, until the end of the transaction. */
export async function lockOwnerOf(tx: SystemTx, hash: string): Promise<void> {
  await tx.rows(LOCK_USER_OF, [hash]);
}

// $1 lookup of the address.
const LOCK_GUESSES = statement(
  'SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 20261130))) AS l',
);

/**
 * Makes the guesses for one canonical e-mail run one after another, until the end of the transaction. Raises
 * DataKeyMissing.
 */
export async function lockGuesses(tx: SystemTx, emailKey: string): Promise<void> {
  await tx.rows(LOCK_GUESSES, [tx.personal.lookup('one_time_tokens.address', emailKey)]);
}

// $1 user, $2 purpose, $3 lookup of the address in base64 or null. Every former address keeps a token of its own.
const END_FORMER = statement(`
UPDATE one_time_tokens o SET ended_at = clock_timestamp() WHERE o.user_id = $1::uuid AND o.purpose = $2 AND ${UNENDED}
  AND ($2 <> 'revert_email' OR o.address_lookup = decode($3, 'base64'))`);
// $1 token, $2 user, $3 purpose, $4 hash of the token in hexadecimal digits, $5 hash of the code, $6 the address sealed
// and $7 its lookup, all in base64, $8 time of the change that the mail is about, or null for the current time, $9
// lifetime of the token and $10 of the code in seconds, $11 session; $5 to $7 and $11 may be null.
const INSERT = statement(`
INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, code_hash, address_sealed, address_lookup, about_at,
  created_at, expires_at, code_expires_at, session_id)
SELECT $1::uuid, $2::uuid, $3, decode($4, 'hex'), decode($5, 'base64'), decode($6, 'base64'), decode($7, 'base64'),
  coalesce($8::timestamptz, now), now, now + $9::float8 * interval '1 second',
  CASE WHEN $5::text IS NOT NULL THEN now + $10::float8 * interval '1 second' END, $11::uuid
FROM (SELECT clock_timestamp() AS now) AS c
RETURNING expires_at AS "expiresAt", code_expires_at AS "codeExpiresAt"`);

export interface NewOneTime {
  readonly id: string;
  readonly userId: string;
  readonly purpose: Purpose;
  readonly tokenHash: string;
  readonly codeHash: string | null;
  readonly address: { readonly address: string; readonly key: string } | null;
  readonly aboutAt: Date | null;
  readonly sessionId: string | null;
  readonly seconds: number;
  readonly codeSeconds: number;
}

/** Ends the former tokens and stores this one. The caller has locked the row of the user. */
export async function insertOneTime(
  tx: SystemTx,
  { id, userId, purpose, tokenHash, codeHash, address, aboutAt, sessionId, seconds, codeSeconds }: NewOneTime,
): Promise<{ readonly expiresAt: Date; readonly codeExpiresAt: Date | null }> {
  const found = address && tx.personal.lookup('one_time_tokens.address', address.key);
  const sealed = address && tx.personal.seal('one_time_tokens.address', id, address.address);
  await tx.rows(END_FORMER, [userId, purpose, found]);
  const [row] = await tx.rows<{ expiresAt: Date; codeExpiresAt: Date | null }>(INSERT, [
    ...[id, userId, purpose, tokenHash, codeHash, sealed, found],
    ...[aboutAt?.toISOString() ?? null, seconds, codeSeconds, sessionId],
  ]);
  if (!row) throw new Error('PostgreSQL did not insert a one-time token');
  return row;
}

const FIND = statement(`
SELECT ${COLUMNS} FROM one_time_tokens o WHERE o.token_hash = decode($2, 'hex') AND o.purpose = $1 AND ${LIVE}`);

/** The live token with this hash (in hexadecimal digits). */
export async function findByHash(tx: SystemReader, purpose: Purpose, hash: string): Promise<OneTime | null> {
  return opened(tx, await tx.rows<OneTime>(FIND, [purpose, hash]));
}

const FIND_OF = statement(`
SELECT ${COLUMNS} FROM one_time_tokens o WHERE o.user_id = $1::uuid AND o.purpose = $2 AND ${LIVE}
ORDER BY o.id DESC LIMIT 1`);

/** The live token of this user and purpose; the newest one if there are several. */
export async function findLiveOf(tx: SystemReader, userId: string, purpose: Purpose): Promise<OneTime | null> {
  return opened(tx, await tx.rows<OneTime>(FIND_OF, [userId, purpose]));
}

const USE = statement(`
UPDATE one_time_tokens o SET used_at = clock_timestamp()
WHERE o.token_hash = decode($2, 'hex') AND o.purpose = $1 AND ${LIVE} RETURNING ${COLUMNS}`);

/** Uses the live token with this hash. Of several calls at the same time, one gets the token. */
export async function markUsed(tx: SystemTx, purpose: Purpose, hash: string): Promise<OneTime | null> {
  return opened(tx, await tx.rows<OneTime>(USE, [purpose, hash]));
}

const CODED = statement(`
SELECT o.id::text FROM one_time_tokens o
WHERE o.user_id = $1::uuid AND o.purpose = $2 AND o.code_hash IS NOT NULL AND ${LIVE}`);

/** The id of the live token of this user and purpose that has a code. */
export async function findCodedId(tx: SystemTx, userId: string, purpose: Purpose): Promise<string | null> {
  const [row] = await tx.rows<{ id: string }>(CODED, [userId, purpose]);
  return row?.id ?? null;
}

// $1 token, $2 hash of the guessed code in base64. `used` is what a right code writes into used_at.
const guessing = (used: string) =>
  statement(`
WITH guessed AS (
  UPDATE one_time_tokens o SET used_at = CASE WHEN o.code_hash = decode($2, 'base64') THEN ${used} END,
    wrong_codes = o.wrong_codes + CASE WHEN o.code_hash = decode($2, 'base64') THEN 0 ELSE 1 END
  WHERE o.id = $1::uuid AND ${LIVE} AND o.code_expires_at > clock_timestamp() AND o.wrong_codes < ${WRONG_CODES_MAX}
    AND NOT EXISTS (SELECT FROM one_time_code_failures f
      WHERE f.user_id = o.user_id AND f.day = ${TODAY} AND f.wrong >= ${WRONG_CODES_PER_DAY_MAX})
  RETURNING o.*, o.code_hash = decode($2, 'base64') AS is_right
),
counted AS (
  INSERT INTO one_time_code_failures AS f (user_id, day, wrong) SELECT user_id, ${TODAY}, 1 FROM guessed WHERE NOT is_right
  ON CONFLICT (user_id) DO UPDATE SET day = excluded.day, wrong = CASE WHEN f.day = excluded.day THEN f.wrong + 1 ELSE 1 END
)
SELECT ${COLUMNS} FROM guessed o WHERE o.is_right`);
const GUESS = guessing('clock_timestamp()');
const TRY = guessing('NULL::timestamptz');
// A transaction that has written something waits for the disk when it commits, and any other transaction does not.
const WRITE_NOTHING = statement(`SELECT pg_logical_emit_message(true, 'one-time code', '') IS NOT NULL AS written`);

/** Makes the transaction of a guess wait for the disk when it commits, also if there is no code to guess. */
export async function writeToLog(tx: SystemTx): Promise<void> {
  await tx.rows(WRITE_NOTHING, []);
}

/** Uses the token if the code is right; counts the guess if it is wrong. The caller has locked the row of the user. */
export async function guessCode(tx: SystemTx, id: string, hash: string): Promise<OneTime | null> {
  return opened(tx, await tx.rows<OneTime>(GUESS, [id, hash]));
}

/** Like `guessCode`, but the token of a right code stays unused. */
export async function tryCode(tx: SystemTx, id: string, hash: string): Promise<OneTime | null> {
  return opened(tx, await tx.rows<OneTime>(TRY, [id, hash]));
}

const END = statement(`
UPDATE one_time_tokens o SET ended_at = clock_timestamp()
WHERE o.user_id = $1::uuid AND o.purpose = ANY($2::text[]) AND ${UNENDED}`);

/** Ends the user's tokens of these purposes. */
export async function markEnded(tx: SystemTx, userId: string, purposes: readonly Purpose[]): Promise<void> {
  await tx.rows(END, [userId, purposes]);
}

const END_BEFORE = statement(`
UPDATE one_time_tokens o SET ended_at = clock_timestamp() WHERE ${UNENDED} AND o.created_at < $1::text::timestamptz`);

/** Ends the tokens of all users from before an instant. */
export async function markEndedBefore(tx: SystemTx, instant: string): Promise<void> {
  await tx.rows(END_BEFORE, [instant]);
}

const REMOVED_AT_ONCE = 1_000;
const removing = (which: string) =>
  statement(`
DELETE FROM one_time_tokens WHERE id IN (
  SELECT o.id FROM one_time_tokens o WHERE ${which} LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED)
RETURNING 1 AS removed`);
const REMOVE_ENDED = removing('o.used_at IS NOT NULL OR o.ended_at IS NOT NULL');
const REMOVE_EXPIRED = removing('o.expires_at <= clock_timestamp()');
const REMOVE_COUNTS = statement(`
DELETE FROM one_time_code_failures WHERE user_id IN (
  SELECT f.user_id FROM one_time_code_failures f WHERE f.day < ${TODAY} ORDER BY f.day LIMIT ${REMOVED_AT_ONCE}
  FOR UPDATE SKIP LOCKED)
RETURNING 1 AS removed`);

/** Removes some of the tokens and counts that are over. Returns whether there may be more. */
export async function deleteSomeOver(tx: SystemReader): Promise<boolean> {
  let isMore = false;
  for (const query of [REMOVE_ENDED, REMOVE_EXPIRED, REMOVE_COUNTS]) {
    if ((await tx.rows(query, [])).length === REMOVED_AT_ONCE) isMore = true;
  }
  return isMore;
}

const DELETE_OF = statement(`
WITH uncounted AS (DELETE FROM one_time_code_failures WHERE user_id = $1::uuid)
DELETE FROM one_time_tokens WHERE user_id = $1::uuid`);

/** Removes the tokens of a user whose account is being closed, with their addresses, and the count of wrong codes. */
export async function deleteTokensOf(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(DELETE_OF, [userId]);
}
