// The queries of the tokens that restore a former address of an account. Every former address has a token of its own,
// which is about the change that replaced the address.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { COLUMNS, LIVE, type OneTime, UNENDED } from './store.ts';

// $1 lookup of the address.
const IS_RESTORABLE = statement(`
SELECT 1 FROM one_time_tokens o
WHERE o.address_lookup = decode($1, 'base64') AND o.purpose = 'revert_email' AND ${LIVE} LIMIT 1`);

/**
 * Whether some account had this canonical e-mail and can still get it back. Until then, nobody may get the e-mail
 * without a proof: with an account that anybody could make, a person who has stolen the former account could keep its
 * owner from taking it back. The answer that counts is the one after the insertion of the new account, because then no
 * change that freed the e-mail can be missed.
 */
export async function isRestorable(tx: SystemReader, emailKey: string): Promise<boolean> {
  const found = tx.personal.lookup('one_time_tokens.address', emailKey);
  return (await tx.rows(IS_RESTORABLE, [found])).length > 0;
}

// $1 user, $2 lookup of the address, $3 lifetime in seconds.
const RENEW_REVERT = statement(`
UPDATE one_time_tokens o SET expires_at = clock_timestamp() + $3::float8 * interval '1 second'
WHERE o.user_id = $1::uuid AND o.purpose = 'revert_email' AND o.address_lookup = decode($2, 'base64') AND ${LIVE}
RETURNING 1 AS renewed`);

/**
 * Gives the user's live token that restores this canonical e-mail its whole lifetime again. Returns whether there is
 * one.
 */
export async function renewRevert(tx: SystemTx, userId: string, emailKey: string, seconds: number): Promise<boolean> {
  const found = tx.personal.lookup('one_time_tokens.address', emailKey);
  return (await tx.rows(RENEW_REVERT, [userId, found, seconds])).length > 0;
}

const RESTORABLE = statement(`
SELECT ${COLUMNS} FROM one_time_tokens o WHERE o.user_id = $1::uuid AND o.purpose = 'revert_email' AND ${LIVE}
ORDER BY o.id`);

/** The former addresses that this user can still get back, as they were typed. */
export async function listRestorable(tx: SystemTx, userId: string): Promise<string[]> {
  const rows = await tx.rows<OneTime>(RESTORABLE, [userId]);
  const addresses = await tx.personal.opening((open) =>
    rows.map(({ id, address }) => open('one_time_tokens.address', id, address)),
  );
  return addresses.filter((address) => address !== null);
}

// $1 the token that was used.
const END_LATER = statement(`
UPDATE one_time_tokens o SET ended_at = clock_timestamp() FROM one_time_tokens used
WHERE used.id = $1::uuid AND o.user_id = used.user_id AND o.purpose = used.purpose AND o.about_at > used.about_at
  AND ${UNENDED}`);

/** Ends the tokens of the same user and purpose that are about later changes. */
export async function markLaterEnded(tx: SystemTx, id: string): Promise<void> {
  await tx.rows(END_LATER, [id]);
}

// $1 user, $2 lookup of the address.
const FIND = statement(`
SELECT o.id::text, o.about_at::text AS since FROM one_time_tokens o
WHERE o.user_id = $1::uuid AND o.purpose = 'revert_email' AND o.address_lookup = decode($2, 'base64') AND ${LIVE}`);

/**
 * If a live token restores this canonical e-mail of the user, ends the tokens that restore the addresses of later
 * changes. Returns the time of the change that the token is about, as the database writes it; null without such a
 * token. The token stays. The caller has locked the row of the user.
 */
export async function endRevertsAfter(tx: SystemTx, userId: string, emailKey: string): Promise<string | null> {
  const found = tx.personal.lookup('one_time_tokens.address', emailKey);
  const [back] = await tx.rows<{ id: string; since: string }>(FIND, [userId, found]);
  if (!back) return null;
  await markLaterEnded(tx, back.id);
  return back.since;
}
