// The queries with which operators read and change accounts, across all organizations.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Page } from '../../base/platform/page.ts';
import { stored } from '../../base/secrets/personal.ts';

import { byEmail, withPerson } from './person-store.ts';

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
u.id, ${stored('u.email')} AS email, ${stored('u.name')} AS name, u.status, u.email_verified_at IS NOT NULL AS "emailVerified", u.created_at AS "createdAt",
EXISTS (SELECT FROM platform_administrators p WHERE p.user_id = u.id) AS "platformAdministrator"`;

// The row of a closed account is no account any more. No query of accounts finds it.
const OPEN = `u.status <> 'closed'`;
const FIND = statement(`SELECT ${COLUMNS} FROM users u WHERE u.id = $1::uuid AND ${OPEN}`);
const FIND_BY_EMAIL = byEmail((is) => `SELECT ${COLUMNS} FROM users u WHERE ${is}`);

/** The account with this id or canonical e-mail, even when the account is disabled. */
export async function findAccount(
  tx: SystemReader,
  by: { readonly id: string } | { readonly emailKey: string },
): Promise<AccountRow | null> {
  const { query, values } = 'id' in by ? { query: FIND, values: [by.id] } : FIND_BY_EMAIL(tx, by.emailKey);
  const [account] = await opened(tx, await tx.rows<AccountRow>(query, values));
  return account ?? null;
}

function opened(tx: SystemReader, rows: readonly AccountRow[]): Promise<AccountRow[]> {
  return tx.personal.opening((open) => rows.map((row) => withPerson(open, row)));
}

export interface AccountFilter {
  readonly status: 'active' | 'disabled' | null;
  /** Only members of the organization with this id; null for all accounts. */
  readonly organizationId: string | null;
}

const COUNT = statement(`SELECT count(*)::int AS total FROM users u WHERE ${OPEN}`);

export async function countAccounts(tx: SystemReader): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, []);
  return row?.total ?? 0;
}

const LIST = statement(`SELECT ${COLUMNS} FROM users u WHERE ${OPEN} ORDER BY u.id LIMIT $1::int OFFSET $2::int`);

/** All accounts, the oldest first. */
export async function listAccountRows(tx: SystemReader, { limit, offset }: Page): Promise<AccountRow[]> {
  return opened(tx, await tx.rows(LIST, [limit, offset]));
}

/** How many accounts one statement of a search looks through. */
export const SLICE_ACCOUNTS = 5_000;

// $1 status or null.
const searching = (ids: string) =>
  statement(`
WITH slice AS MATERIALIZED (${ids} LIMIT ${SLICE_ACCOUNTS}),
fitting AS MATERIALIZED (
  SELECT u.id FROM slice s JOIN users u ON u.id = s.id
  WHERE ${OPEN} AND ($1::text IS NULL OR u.status = $1::text)
)
SELECT ARRAY(SELECT id::text FROM fitting ORDER BY id) AS fitting, (SELECT count(*)::int FROM slice) AS "lookedAt",
  (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS last`);

// $2 the account after which the slice begins, $3 organization or null.
const IN_ALL = searching('SELECT id FROM users WHERE id > $2::uuid AND $3::uuid IS NULL ORDER BY id');
// $2 and $3 as for IN_ALL.
const IN_ORGANIZATION = searching(
  'SELECT user_id AS id FROM memberships WHERE organization_id = $3::uuid AND user_id > $2::uuid ORDER BY user_id',
);

/** Part of the accounts: the ids of those that match the filter, and the last account of the part. Sorted by id. */
export interface SearchedSlice {
  readonly fitting: readonly string[];
  /** Null when no account comes after this part. */
  readonly last: string | null;
}

/** Looks through the accounts after `after`, at most SLICE_ACCOUNTS of them. */
export async function findInSlice(
  tx: SystemReader,
  { status, organizationId }: AccountFilter,
  after: string,
): Promise<SearchedSlice> {
  const asked = organizationId === null ? IN_ALL : IN_ORGANIZATION;
  const values = [status, after, organizationId];
  const [row] = await tx.rows<SearchedSlice & { lookedAt: number }>(asked, values);
  return { fitting: row?.fitting ?? [], last: row?.lookedAt === SLICE_ACCOUNTS ? row.last : null };
}

// $1 ids, $2 status or null, $3 limit, $4 offset. The answer has at least one row.
const AMONG = statement(`
WITH fitting AS MATERIALIZED (
  SELECT u.id FROM users u WHERE u.id = ANY($1::text[]::uuid[]) AND ${OPEN} AND ($2::text IS NULL OR u.status = $2::text)
)
SELECT t.total, p.* FROM (SELECT count(*)::int AS total FROM fitting) AS t LEFT JOIN (
  SELECT ${COLUMNS} FROM (SELECT id FROM fitting ORDER BY id LIMIT $3::int OFFSET $4::int) f JOIN users u ON u.id = f.id
) AS p ON true ORDER BY p.id`);

/** A page of the accounts with these ids and this status, the oldest first, and how many there are in total. */
export async function findAccountsAmong(
  tx: SystemReader,
  ids: readonly string[],
  status: AccountRow['status'] | null,
  { limit, offset }: Page,
): Promise<{ readonly total: number; readonly rows: readonly AccountRow[] }> {
  const rows = await tx.rows<{ total: number } & (AccountRow | { id: null })>(AMONG, [ids, status, limit, offset]);
  const found = rows.flatMap((row) => (row.id === null ? [] : [row]));
  return { total: rows[0]?.total ?? 0, rows: await opened(tx, found) };
}

const BY_IDS = statement(
  `SELECT ${COLUMNS} FROM users u WHERE u.id = ANY($1::text[]::uuid[]) AND ${OPEN} ORDER BY u.id`,
);

/** The accounts with these ids, the oldest first. */
export async function listAccountsByIds(tx: SystemReader, ids: readonly string[]): Promise<AccountRow[]> {
  return opened(tx, await tx.rows(BY_IDS, [ids]));
}

const SET_STATUS = statement(`
UPDATE users SET status = $2::text, updated_at = clock_timestamp()
WHERE id = $1::uuid AND status NOT IN ($2::text, 'closed') RETURNING id`);

/** Changes the status of the account. Returns false when the account already had that status, or is closed. */
export async function updateAccountStatus(
  tx: SystemTx,
  userId: string,
  status: AccountRow['status'],
): Promise<boolean> {
  return (await tx.rows(SET_STATUS, [userId, status])).length > 0;
}

// The changes of both rows lock the row of the user before the row of the password, so that two of them cannot
// deadlock.
const SET_HASH = statement(`
WITH locked AS (SELECT id FROM users WHERE id = $1::uuid AND status <> 'closed' FOR NO KEY UPDATE)
INSERT INTO passwords (user_id, hash, changed_at) SELECT id, $2, clock_timestamp() FROM locked
ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`);

/** Stores this password hash for the user, in place of an existing hash. */
export async function setPasswordHash(tx: SystemTx, userId: string, hash: string): Promise<void> {
  await tx.rows(SET_HASH, [userId, hash]);
}
