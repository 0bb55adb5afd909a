// The queries of users and their password hashes.

import { type SystemReader, type SystemTx, statement, type UserReader, type UserTx } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { stored } from '../../base/secrets/personal.ts';

import { byEmail, withPerson } from './person-store.ts';

export interface Credentials {
  readonly id: string;
  readonly hash: string | null;
  readonly changedAt: Date;
}

const CREDENTIALS = byEmail(
  (is) => `
SELECT u.id, p.hash, p.changed_at AS "changedAt" FROM users u LEFT JOIN passwords p ON p.user_id = u.id WHERE ${is}`,
);

/** The user with this canonical e-mail, with the password hash. The hash is null for a user without a password. */
export async function findCredentials(tx: SystemReader, emailKey: string): Promise<Credentials | null> {
  const { query, values } = CREDENTIALS(tx, emailKey);
  const [row] = await tx.rows<Credentials>(query, values);
  return row ?? null;
}

// A lookup is a keyed hash. So the account with the next greater lookup is an arbitrary account, but each time the
// same one for the same address. After the greatest lookup comes the least one. $1 lookup.
const hashed = (where: string) => `
(SELECT u.id, p.hash, p.changed_at AS "changedAt", u.email_lookup = decode($1, 'base64') AS "isOwn"
FROM users u LEFT JOIN passwords p ON p.user_id = u.id WHERE ${where} ORDER BY u.email_lookup LIMIT 1)`;
const NEXT_CREDENTIALS = statement(`
${hashed(`u.email_lookup >= decode($1, 'base64')`)} UNION ALL ${hashed('u.email_lookup IS NOT NULL')} LIMIT 1`);

/** `own` is null when no account has the e-mail. Then `hash` is that of another account, or null if none was chosen. */
export interface CredentialsToCheck {
  readonly own: Credentials | null;
  readonly hash: string | null;
}

/**
 * The user with this canonical e-mail, or the hash of another account in its place. The hashes of accounts may have
 * different costs, which a stranger can measure. So each cost must occur as often for unknown e-mails as for known
 * ones. This is why the hash of an arbitrary account is used.
 */
export async function findCredentialsToCheck(tx: SystemReader, emailKey: string): Promise<CredentialsToCheck> {
  if (!tx.personal.isSealed) {
    const own = await findCredentials(tx, emailKey);
    return { own, hash: own?.hash ?? null };
  }
  const found = tx.personal.lookup('users.email', emailKey);
  const [row] = await tx.rows<Credentials & { readonly isOwn: boolean }>(NEXT_CREDENTIALS, [found]);
  return { own: row?.isOwn ? row : null, hash: row?.hash ?? null };
}

// $1 user, $2 when the replaced password was set, $3 hash of the new one.
const REPLACE = statement(`
WITH locked AS (SELECT id FROM users WHERE id = $1::uuid AND status = 'active' FOR NO KEY UPDATE)
UPDATE passwords SET hash = $3, changed_at = clock_timestamp()
WHERE user_id = (SELECT id FROM locked) AND changed_at = $2::timestamptz RETURNING user_id`);

/**
 * Replaces the password that was set at `changedAt`. Returns false, and changes nothing, when that is no longer the
 * password. A hash of the same password with other parameters does not count as a change.
 */
export async function replacePassword(tx: SystemTx, userId: string, changedAt: Date, hash: string): Promise<boolean> {
  return (await tx.rows(REPLACE, [userId, changedAt.toISOString(), hash])).length > 0;
}

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
  readonly name: string;
  /** Null for an account without a password. */
  readonly passwordHash: string | null;
  /** The language of the person; null when it is unknown. */
  readonly locale: Language | null;
}

// $1 is the id of the user. $2 to $4 are the e-mail, its canonical form and the name, all null once nothing is stored
// unsealed. $5 and $6 are the sealed e-mail and the sealed name, $7 the lookup of the e-mail, $8 the hash of the
// password or null, $9 and $10 the grams of the name and of the e-mail, and $11 the language or null.
const INSERT = statement(`
WITH inserted AS (
  INSERT INTO users (id, email, email_key, name, email_sealed, name_sealed, email_lookup, locale)
  VALUES ($1::uuid, $2, $3, $4, decode($5, 'base64'), decode($6, 'base64'), decode($7, 'base64'), $11)
  ON CONFLICT DO NOTHING RETURNING id
),
searchable AS (
  INSERT INTO user_search (user_id, name_grams, email_grams)
  SELECT id, $9::text[]::bigint[], $10::text[]::bigint[] FROM inserted
),
guarded AS (INSERT INTO passwords (user_id, hash) SELECT id, $8 FROM inserted WHERE $8::text IS NOT NULL)
SELECT id FROM inserted`);

/** Inserts the user. Returns false, and writes nothing, when the e-mail is taken. */
export async function insertUser(tx: SystemTx, user: NewUser): Promise<boolean> {
  const { id, email, emailKey, name, passwordHash, locale } = user;
  const { personal } = tx;
  const values = [
    ...[id, personal.clear(email), personal.clear(emailKey), personal.clear(name)],
    ...[personal.seal('users.email', id, email), personal.seal('users.name', id, name)],
    ...[personal.lookup('users.email', emailKey), passwordHash],
    ...[personal.grams(name), personal.grams(email), locale],
  ];
  return (await tx.rows(INSERT, values)).length > 0;
}

const REHASH = statement(`UPDATE passwords SET hash = $3 WHERE user_id = $1 AND hash = $2`);

/**
 * Replaces a hash with a new hash of the same password. Does nothing if the password has changed since `from` was read.
 */
export async function updateHash(tx: SystemReader, userId: string, from: string, to: string): Promise<void> {
  await tx.rows(REHASH, [userId, from, to]);
}

export interface ProfileRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly emailVerified: boolean;
  readonly locale: Language | null;
  readonly createdAt: Date;
  readonly organizationId: string | null;
  readonly organizationName: string;
  readonly organizationSlug: string;
}

const PROFILE = statement(`
SELECT u.id, ${stored('u.email')} AS email, ${stored('u.name')} AS name, u.email_verified_at IS NOT NULL AS "emailVerified", u.locale, u.created_at AS "createdAt",
  o.id AS "organizationId", o.name AS "organizationName", o.slug AS "organizationSlug"
FROM users u
LEFT JOIN (memberships m JOIN organizations o ON o.id = m.organization_id AND o.status = 'active')
  ON m.user_id = u.id AND m.organization_id = $2 AND m.status = 'active'
WHERE u.id = $1 AND u.status = 'active'`);

/** The user, and the organization if the user is still an active member of it. Null when the account is not active. */
export async function findProfile(
  tx: UserReader,
  userId: string,
  organizationId: string | null,
): Promise<ProfileRow | null> {
  const [row] = await tx.rows<ProfileRow>(PROFILE, [userId, organizationId]);
  return row ? tx.personal.opening((open) => withPerson(open, row)) : null;
}

const PERMISSIONS = statement(`
SELECT DISTINCT p.permission FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
CROSS JOIN LATERAL unnest(r.permissions) AS p (permission)
WHERE a.user_id = $1 AND a.organization_id = $2 AND a.scope = '{}'`);

/** The permissions of the user's unscoped roles in one organization, unsorted. */
export async function listOwnPermissions(tx: UserReader, userId: string, organizationId: string): Promise<string[]> {
  const rows = await tx.rows<{ permission: string }>(PERMISSIONS, [userId, organizationId]);
  return rows.map((row) => row.permission);
}

const LOCK = statement('SELECT 1 AS held FROM users WHERE id = $1::uuid FOR NO KEY UPDATE');

/** Makes every other change of the account wait until the transaction ends. */
export async function lockUser(tx: UserTx, userId: string): Promise<void> {
  await tx.rows(LOCK, [userId]);
}

// $1 user, $2 name, null once nothing is stored unsealed, $3 sealed name, $4 grams of the name.
const RENAME = statement(`
WITH renamed AS (
  UPDATE users SET name = $2, name_sealed = decode($3, 'base64'), updated_at = clock_timestamp()
  WHERE id = $1::uuid AND status = 'active' RETURNING id
),
searchable AS (
  INSERT INTO user_search (user_id, name_grams) SELECT id, $4::text[]::bigint[] FROM renamed
  ON CONFLICT (user_id) DO UPDATE SET name_grams = excluded.name_grams
)
INSERT INTO events (id, type, actor_id, target_id) SELECT gen_random_uuid(), 'user.renamed', id, id FROM renamed`);

/** Changes the name of the user and records the event. */
export async function updateName(tx: UserReader, userId: string, name: string): Promise<void> {
  const { personal } = tx;
  const values = [userId, personal.clear(name), personal.seal('users.name', userId, name), personal.grams(name)];
  await tx.rows(RENAME, values);
}

// $1 user, $2 language or null.
const SET_LOCALE = statement(`
WITH changed AS (
  UPDATE users SET locale = $2, updated_at = clock_timestamp()
  WHERE id = $1::uuid AND status = 'active' AND locale IS DISTINCT FROM $2 RETURNING id
)
INSERT INTO events (id, type, actor_id, target_id) SELECT gen_random_uuid(), 'user.locale_changed', id, id FROM changed`);

/** Changes the language of the user and records the event. Does nothing when the user already has that language. */
export async function updateLocale(tx: UserReader, userId: string, locale: Language | null): Promise<void> {
  await tx.rows(SET_LOCALE, [userId, locale]);
}
