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

const COUNT = statement('SELECT count(*)::int AS total FROM users');

export async function countAccounts(tx: SystemReader): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, []);
  return row?.total ?? 0;
}

const LIST = statement(`SELECT ${COLUMNS} FROM users u ORDER BY u.id LIMIT $1::int OFFSET $2::int`);

/** All accounts, the oldest first. */
export function listAccountRows(tx: SystemReader, { limit, offset }: Page): Promise<AccountRow[]> {
  return tx.rows(LIST, [limit, offset]);
}

/** How many accounts one statement of a search looks through. */
export const SLICE_ACCOUNTS = 5_000;

// $1 text or null, $2 status or null. With the root collation of ICU, lower() changes all letters, whatever the locale
// of the database is.
const searching = (ids: string) =>
  statement(`
WITH slice AS MATERIALIZED (${ids} LIMIT ${SLICE_ACCOUNTS}),
fitting AS MATERIALIZED (
  SELECT u.id FROM slice s JOIN users u ON u.id = s.id
  WHERE ($2::text IS NULL OR u.status = $2::text) AND ($1::text IS NULL
    OR strpos(lower(u.email COLLATE "und-x-icu"), lower($1::text COLLATE "und-x-icu")) > 0
    OR strpos(u.email_key, lower($1)) > 0
    OR strpos(lower(u.name COLLATE "und-x-icu"), lower($1::text COLLATE "und-x-icu")) > 0)
)
SELECT ARRAY(SELECT id::text FROM fitting ORDER BY id) AS fitting, (SELECT count(*)::int FROM slice) AS "lookedAt",
  (SELECT id::text FROM slice ORDER BY id DESC LIMIT 1) AS last`);

// $3 the account after which the slice begins, $4 organization or null.
const IN_ALL = searching('SELECT id FROM users WHERE id > $3::uuid AND $4::uuid IS NULL ORDER BY id');
// $3 and $4 as for IN_ALL.
const IN_ORGANIZATION = searching(
  'SELECT user_id AS id FROM memberships WHERE organization_id = $4::uuid AND user_id > $3::uuid ORDER BY user_id',
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
  { text, status, organizationId }: AccountSearch,
  after: string,
): Promise<SearchedSlice> {
  const asked = organizationId === null ? IN_ALL : IN_ORGANIZATION;
  const values = [text, status, after, organizationId];
  const [row] = await tx.rows<SearchedSlice & { lookedAt: number }>(asked, values);
  return { fitting: row?.fitting ?? [], last: row?.lookedAt === SLICE_ACCOUNTS ? row.last : null };
}

const BY_IDS = statement(`SELECT ${COLUMNS} FROM users u WHERE u.id = ANY($1::text[]::uuid[]) ORDER BY u.id`);

/** The accounts with these ids, the oldest first. */
export function listAccountsByIds(tx: SystemReader, ids: readonly string[]): Promise<AccountRow[]> {
  return tx.rows(BY_IDS, [ids]);
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
