// The queries of platform administrators.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

const IS_ADMINISTRATOR = statement(`
SELECT 1 FROM platform_administrators p JOIN users u ON u.id = p.user_id AND u.status = 'active' WHERE p.user_id = $1`);

/** Whether this user is a platform administrator and the account is active. */
export async function isPlatformAdministrator(tx: SystemReader, userId: string): Promise<boolean> {
  return (await tx.rows(IS_ADMINISTRATOR, [userId])).length > 0;
}

const LOCK_ADMINISTRATOR = statement(`
SELECT 1 FROM platform_administrators p JOIN users u ON u.id = p.user_id AND u.status = 'active' WHERE p.user_id = $1
FOR SHARE OF p`);

/** Does the same as isPlatformAdministrator. Nobody can withdraw the right until the transaction ends. */
export async function lockPlatformAdministrator(tx: SystemTx, userId: string): Promise<boolean> {
  return (await tx.rows(LOCK_ADMINISTRATOR, [userId])).length > 0;
}

const GRANT = statement(`
WITH granted AS (
  INSERT INTO platform_administrators (user_id)
  SELECT id FROM users WHERE id = $1::uuid AND status <> 'closed' FOR KEY SHARE
  ON CONFLICT (user_id) DO NOTHING RETURNING user_id
),
recorded AS (
  INSERT INTO events (id, type, target_id) SELECT $2::uuid, 'platform_administrator.granted', user_id FROM granted
)
SELECT user_id FROM granted`);

const REVOKE = statement(`
WITH revoked AS (DELETE FROM platform_administrators WHERE user_id = $1::uuid RETURNING user_id),
recorded AS (
  INSERT INTO events (id, type, target_id) SELECT $2::uuid, 'platform_administrator.revoked', user_id FROM revoked
)
SELECT user_id FROM revoked`);

/** Makes the user a platform administrator and records the event. Returns false when the user already was one. */
export async function insertPlatformAdministrator(tx: SystemReader, userId: string, eventId: string): Promise<boolean> {
  return (await tx.rows(GRANT, [userId, eventId])).length > 0;
}

/** Withdraws the right and records the event. Returns false when the user did not have it. */
export async function deletePlatformAdministrator(tx: SystemReader, userId: string, eventId: string): Promise<boolean> {
  return (await tx.rows(REVOKE, [userId, eventId])).length > 0;
}

// If two administrators leave at the same moment, the second one waits for the first.
const LOCK_ALL = statement('SELECT user_id FROM platform_administrators ORDER BY user_id FOR UPDATE');
// $1 user, $2 actor or null, $3 whether the right may end although nobody else has it.
const END = statement(`
WITH own AS (SELECT user_id FROM platform_administrators WHERE user_id = $1::uuid),
ended AS (
  DELETE FROM platform_administrators WHERE user_id = $1::uuid AND ($3::boolean OR EXISTS (
    SELECT FROM platform_administrators p JOIN users u ON u.id = p.user_id AND u.status = 'active'
    WHERE p.user_id <> $1::uuid))
  RETURNING user_id
),
recorded AS (
  INSERT INTO events (id, type, actor_id, target_id)
  SELECT gen_random_uuid(), 'platform_administrator.revoked', $2::uuid, user_id FROM ended
)
SELECT NOT EXISTS (SELECT FROM own) OR EXISTS (SELECT FROM ended) AS ended`);

/**
 * Ends the administration of the platform by a user whose account is being closed. Returns false, and changes nothing,
 * if no other active user administers the platform; with `evenLast`, the administration ends in any case.
 */
export async function endAdministration(
  tx: SystemTx,
  userId: string,
  { actorId, evenLast }: { readonly actorId: string | null; readonly evenLast: boolean },
): Promise<boolean> {
  await tx.rows(LOCK_ALL, []);
  const [row] = await tx.rows<{ ended: boolean }>(END, [userId, actorId, evenLast]);
  return row?.ended ?? false;
}
