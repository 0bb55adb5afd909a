// The queries of users and their password hashes.
import { type SystemReader, type SystemTx, statement, type UserReader, type UserTx } from '../../base/database/db.ts';

export interface Credentials {
  readonly id: string;
  readonly hash: string | null;
  readonly changedAt: Date;
}

const CREDENTIALS = statement(`
SELECT u.id, p.hash, p.changed_at AS "changedAt" FROM users u LEFT JOIN passwords p ON p.user_id = u.id WHERE u.email_key = $1`);

/** The user with this canonical e-mail, with the password hash. The hash is null for a user without a password. */
export async function findCredentials(tx: SystemReader, emailKey: string): Promise<Credentials | null> {
  const [row] = await tx.rows<Credentials>(CREDENTIALS, [emailKey]);
  return row ?? null;
}

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
  readonly name: string;
  readonly passwordHash: string;
}

/** Inserts the user. Returns false, and writes nothing, when the e-mail is taken. */
export async function insertUser(tx: SystemTx, user: NewUser): Promise<boolean> {
  const { passwordHash, ...columns } = user;
  const { count } = await tx.models.user.createMany({ data: [columns], skipDuplicates: true });
  if (count === 0) return false;
  await tx.models.password.create({ data: { userId: user.id, hash: passwordHash }, select: { userId: true } });
  return true;
}

const REHASH = statement(`UPDATE passwords SET hash = $3 WHERE user_id = $1 AND hash = $2`);

/**
 * Replaces a hash by a new hash of the same password. Does nothing if the password has changed since `from` was read.
 */
export async function updateHash(tx: SystemReader, userId: string, from: string, to: string): Promise<void> {
  await tx.rows(REHASH, [userId, from, to]);
}

export interface ProfileRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly emailVerified: boolean;
  readonly createdAt: Date;
  readonly organizationId: string | null;
  readonly organizationName: string;
  readonly organizationSlug: string;
}

const PROFILE = statement(`
SELECT u.id, u.email, u.name, u.email_verified_at IS NOT NULL AS "emailVerified", u.created_at AS "createdAt",
  o.id AS "organizationId", o.name AS "organizationName", o.slug AS "organizationSlug"
FROM users u
LEFT JOIN (memberships m JOIN organizations o ON o.id = m.organization_id AND o.status = 'active')
  ON m.user_id = u.id AND m.organization_id = $2 AND m.status = 'active'
WHERE u.id = $1 AND u.status = 'active'`);

/** The user, and the organization if the user is still an active member of it. */
export async function findProfile(
  tx: UserReader,
  userId: string,
  organizationId: string | null,
): Promise<ProfileRow | null> {
  const [row] = await tx.rows<ProfileRow>(PROFILE, [userId, organizationId]);
  return row ?? null;
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

const RENAME = statement(`
WITH renamed AS (
  UPDATE users SET name = $2, updated_at = clock_timestamp() WHERE id = $1::uuid AND status = 'active' RETURNING id
)
INSERT INTO events (id, type, actor_id, target_id) SELECT gen_random_uuid(), 'user.renamed', id, id FROM renamed`);

/** Changes the name of the user and records the event. */
export async function updateName(tx: UserReader, userId: string, name: string): Promise<void> {
  await tx.rows(RENAME, [userId, name]);
}
