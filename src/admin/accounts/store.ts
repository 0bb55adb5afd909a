// The query that finds the organizations of which a user is the only active owner.
import { type SystemReader, statement } from '../../base/database/db.ts';

const OWNED_ALONE = statement(`
SELECT DISTINCT o.id, o.name, o.slug FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = a.user_id AND m.status = 'active'
JOIN organizations o ON o.id = a.organization_id AND o.deleted_at IS NULL
WHERE a.user_id = $1::uuid AND a.scope = '{}' AND NOT EXISTS (
  SELECT FROM role_assignments b
  JOIN roles br ON br.owner_key = b.role_owner_key AND br.id = b.role_id AND br.ownership
  JOIN memberships bm ON bm.organization_id = b.organization_id AND bm.user_id = b.user_id AND bm.status = 'active'
  JOIN users u ON u.id = b.user_id AND u.status = 'active'
  WHERE b.organization_id = a.organization_id AND b.scope = '{}' AND b.user_id <> a.user_id)
ORDER BY o.slug LIMIT 100`);

/** Returns at most 100 organizations of which this user is an active owner and no other active user is an owner. */
export function listOwnedAlone(
  tx: SystemReader,
  userId: string,
): Promise<{ readonly id: string; readonly name: string; readonly slug: string }[]> {
  return tx.rows(OWNED_ALONE, [userId]);
}
