// The queries for the mail to the owners of a suspended organization.
import { type SystemTx, statement } from '../../base/database/db.ts';

const OWNERS = statement(`
SELECT DISTINCT u.id::text FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = a.user_id AND m.status = 'active'
JOIN users u ON u.id = a.user_id AND u.status = 'active'
WHERE a.organization_id = $1::uuid AND a.scope = '{}' ORDER BY 1 LIMIT 100`);

/** The ids of at most 100 active users who are active owners of the organization. */
export async function listActiveOwners(tx: SystemTx, organizationId: string): Promise<string[]> {
  return (await tx.rows<{ id: string }>(OWNERS, [organizationId])).map(({ id }) => id);
}

const LOCK = statement(`
SELECT name FROM organizations WHERE id = $1::uuid AND status = 'suspended' AND deleted_at IS NULL FOR SHARE`);

/** The name of the organization, if it is suspended. An activation waits until the transaction ends. */
export async function lockSuspended(tx: SystemTx, organizationId: string): Promise<string | null> {
  const [row] = await tx.rows<{ name: string }>(LOCK, [organizationId]);
  return row?.name ?? null;
}
