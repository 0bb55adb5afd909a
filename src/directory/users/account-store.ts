// The queries with which operators read and change accounts, across all organizations.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Page } from '../../base/platform/page.ts';

export interface AccountRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  readonly emailVerified: boolean;
  readonly platformAdministrator: boolean;
  readonly createdAt: Date;
}

const COLUMNS = `
u.id, u.email, u.name, u.status, u.email_verified_at IS NOT NULL AS "emailVerified", u.created_at AS "createdAt",
EXISTS (SELECT FROM platform_administrators p WHERE p.user_id = u.id) AS "platformAdministrator"`;

const FIND = statement(`SELECT ${COLUMNS} FROM users u WHERE u.id = $1::uuid`);
const FIND_BY_EMAIL = statement(`SELECT ${COLUMNS} FROM users u WHERE u.email_key = $1`);

/** The account with this id or canonical e-mail, even when the account is disabled. */
export async function findAccount(
  tx: SystemReader,
  by: { readonly id: string } | { readonly emailKey: string },
): Promise<AccountRow | null> {
  const [row] =
    'id' in by ? await tx.rows<AccountRow>(FIND, [by.id]) : await tx.rows<AccountRow>(FIND_BY_EMAIL, [by.emailKey]);
  return row ?? null;
}

export interface AccountSearch {
  /** A part of the e-mail or the name, in upper or lower case. Null for all accounts. */
  readonly text: string | null;
  readonly status: 'active' | 'disabled' | null;
  /** Only members of the organization with this id; null for all accounts. */
  readonly organizationId: string | null;
}

// $1 text or null, $2 status or null, $3 organization or null.
const WANTED = `
($1::text IS NULL OR position(lower($1::text) IN u.email_key) > 0 OR position(lower($1::text) IN lower(u.name)) > 0)
AND ($2::text IS NULL OR u.status = $2::text)
AND ($3::uuid IS NULL OR u.id IN (SELECT m.user_id FROM memberships m WHERE m.organization_id = $3::uuid))`;
const COUNT = statement(`SELECT count(*)::int AS total FROM users u WHERE ${WANTED}`);
// $1 to $3 are the parameters of WANTED, $4 is the limit, $5 the offset.
const LIST = statement(`
SELECT ${COLUMNS}, (SELECT count(*)::int FROM users u WHERE ${WANTED}) AS total FROM users u WHERE ${WANTED}
ORDER BY u.id LIMIT $4::int OFFSET $5::int`);

/** The accounts that match the filter, the oldest first. A search for text reads every account. */
export function listAccountRows(
  tx: SystemReader,
  { text, status, organizationId }: AccountSearch,
  { limit, offset }: Page,
): Promise<(AccountRow & { readonly total: number })[]> {
  return tx.rows(LIST, [text, status, organizationId, limit, offset]);
}

export async function countAccounts(tx: SystemReader, search: AccountSearch): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [search.text, search.status, search.organizationId]);
  return row?.total ?? 0;
}

const SET_STATUS = statement(`
UPDATE users SET status = $2::text, updated_at = clock_timestamp()
WHERE id = $1::uuid AND status <> $2::text RETURNING id`);

/** Changes the status of the account. Returns false when the account already had that status. */
export async function updateAccountStatus(
  tx: SystemTx,
  userId: string,
  status: AccountRow['status'],
): Promise<boolean> {
  return (await tx.rows(SET_STATUS, [userId, status])).length > 0;
}

// Every change of both rows locks the row of the user before the row of the password, so that two changes cannot
// deadlock.
const SET_HASH = statement(`
WITH locked AS (SELECT id FROM users WHERE id = $1::uuid FOR NO KEY UPDATE)
INSERT INTO passwords (user_id, hash, changed_at) SELECT id, $2, clock_timestamp() FROM locked
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`);

/** Stores this password hash for the user, in place of an existing hash. */
export async function setPasswordHash(tx: SystemTx, userId: string, hash: string): Promise<void> {
  await tx.rows(SET_HASH, [userId, hash]);
}
