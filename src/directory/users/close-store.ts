// The queries that close an account. Its row stays without personal data, so that events and other rows still have
// their user.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { stored } from '../../base/secrets/personal.ts';
import { withPerson } from './person-store.ts';

export interface ClosableAccount {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  /** Null when the language is unknown. */
  readonly locale: Language | null;
  readonly isEmailVerified: boolean;
}

const LOCK = statement(`
SELECT u.id::text, ${stored('u.email')} AS email, ${stored('u.name')} AS name, u.locale,
  u.email_verified_at IS NOT NULL AS "isEmailVerified"
FROM users u WHERE u.id = $1::uuid AND u.status <> 'closed' FOR UPDATE`);

/**
 * Locks the account until the end of the transaction. No row that refers to the user, such as a membership or a
 * session, can be added meanwhile. Null when the account does not exist or is closed.
 */
export async function lockAccount(tx: SystemTx, userId: string): Promise<ClosableAccount | null> {
  const [row] = await tx.rows<ClosableAccount>(LOCK, [userId]);
  return row ? tx.personal.opening((open) => withPerson(open, row)) : null;
}

// Without the password, no sign-in that has checked it can open a session any more. Such a sign-in has either locked
// the password, so that this statement waits for it, or it finds no password.
const CLOSE = statement(`
WITH closed AS (
  UPDATE users SET status = 'closed', email = NULL, email_key = NULL, name = NULL, email_sealed = NULL,
    name_sealed = NULL, email_lookup = NULL, email_verified_at = NULL, claimed_at = NULL,
    locale = NULL, updated_at = clock_timestamp()
  WHERE id = $1::uuid AND status <> 'closed' RETURNING id
),
unsearchable AS (DELETE FROM user_search WHERE user_id IN (SELECT id FROM closed)),
undisputed AS (DELETE FROM email_reverts WHERE user_id IN (SELECT id FROM closed))
DELETE FROM passwords WHERE user_id IN (SELECT id FROM closed)`);

/** Removes the personal data and the password of the account, whose address is free from then on. */
export async function closeAccountRow(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(CLOSE, [userId]);
}

// The conditions under which an account whose mailbox nobody has proven may be removed without an effect on anybody
// else, and without an effect on somebody who uses it. $1 is the minimum age in seconds.
const ABANDONED = `u.email_verified_at IS NULL AND u.status = 'active'
  AND u.created_at < clock_timestamp() - $1::float8 * interval '1 second'
  AND NOT EXISTS (SELECT FROM platform_administrators p WHERE p.user_id = u.id)
  AND NOT EXISTS (SELECT FROM sessions s WHERE s.user_id = u.id AND s.revoked_at IS NULL
    AND s.idle_expires_at > clock_timestamp())
  AND NOT EXISTS (SELECT FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
    WHERE m.user_id = u.id AND (o.status <> 'active'
      OR EXISTS (SELECT FROM memberships b WHERE b.organization_id = m.organization_id AND b.user_id <> u.id)
      OR EXISTS (SELECT FROM clients c WHERE c.organization_id = m.organization_id)
      OR EXISTS (SELECT FROM subscriptions b
        WHERE b.organization_id = m.organization_id AND b.status IN ('active', 'past_due'))))`;

// $1 as above, $2 number of accounts, $3 and $4 the instant and the id of the account after which they begin.
const LIST = statement(`
SELECT u.id::text, u.created_at::text AS "createdAt" FROM users u
WHERE ${ABANDONED} AND (u.created_at, u.id) > ($3::text::timestamptz, $4::uuid)
ORDER BY u.created_at, u.id LIMIT $2::int`);

export interface AbandonedAccount {
  readonly id: string;
  /** The instant as the database writes it. */
  readonly createdAt: string;
}

/**
 * Accounts whose mailbox nobody has proven, which are older than `olderThanSeconds` and not in use, the oldest first.
 * The list begins after the account `after`, and has at most `count` accounts.
 */
export function listAbandoned(
  tx: SystemReader,
  olderThanSeconds: number,
  count: number,
  after: AbandonedAccount,
): Promise<AbandonedAccount[]> {
  return tx.rows(LIST, [olderThanSeconds, count, after.createdAt, after.id]);
}

const IS_ABANDONED = statement(`SELECT 1 FROM users u WHERE ${ABANDONED} AND u.id = $2::uuid`);

/** Whether the account may still be removed. Call this under the locks of the account and its organizations. */
export async function isAbandoned(tx: SystemTx, userId: string, olderThanSeconds: number): Promise<boolean> {
  return (await tx.rows(IS_ABANDONED, [olderThanSeconds, userId])).length > 0;
}

// Only one process at a time removes such accounts.
const TAKE_TURN = statement('SELECT pg_try_advisory_xact_lock(72707372) AS own');

/** Returns whether this process may remove abandoned accounts until the end of the transaction. */
export async function lockRemoval(tx: SystemTx): Promise<boolean> {
  const [row] = await tx.rows<{ own: boolean }>(TAKE_TURN, []);
  return row?.own ?? false;
}
