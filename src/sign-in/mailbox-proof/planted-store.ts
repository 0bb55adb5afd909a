// The query that reads in which organizations an account that is being claimed is a member.
import { type SystemTx, statement } from '../../base/database/db.ts';

export interface HeldOrganization {
  readonly id: string;
  readonly slug: string;
  /** Whether the organization is active, has no other member of any status, and no subscription that is paid for. */
  readonly isOnlyTheirs: boolean;
}

const HELD = statement(`
SELECT o.id::text, o.slug, o.status = 'active'
  AND NOT EXISTS (SELECT FROM memberships b WHERE b.organization_id = m.organization_id AND b.user_id <> m.user_id)
  AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.organization_id = m.organization_id
    AND s.status IN ('active', 'past_due')) AS "isOnlyTheirs"
FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
WHERE m.user_id = $1::uuid ORDER BY o.id`);

/** The organizations of which the user is a member, whatever the status of the membership. */
export function listHeldOrganizations(tx: SystemTx, userId: string): Promise<HeldOrganization[]> {
  return tx.rows(HELD, [userId]);
}
