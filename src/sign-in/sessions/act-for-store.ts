// The query of acting for an organization without a token that names it.
import { statement, type UserReader } from '../../base/database/db.ts';

export interface NamedMembership {
  readonly id: string;
  readonly slug: string;
  readonly active: boolean;
  readonly memberActive: boolean;
  /** Names of the unscoped roles, the highest first, and their permissions. */
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
}

const NAMED = statement(`
SELECT o.id, o.slug, o.status = 'active' AS active, m.status = 'active' AS "memberActive",
  ARRAY(SELECT r.name FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    WHERE a.organization_id = o.id AND a.user_id = $1 AND a.scope = '{}' ORDER BY r.level DESC, r.name) AS roles,
  ARRAY(SELECT DISTINCT p.permission FROM role_assignments a
    JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    CROSS JOIN LATERAL unnest(r.permissions) AS p (permission)
    WHERE a.organization_id = o.id AND a.user_id = $1 AND a.scope = '{}') AS permissions
FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.user_id = $1 AND (o.slug = ANY($2::text[]) OR o.id::text = ANY($2::text[]))
ORDER BY o.id`);

/** The user's memberships in organizations that one of the references (id or slug) names. */
export function listNamedMemberships(
  tx: UserReader,
  userId: string,
  references: readonly string[],
): Promise<NamedMembership[]> {
  return tx.rows<NamedMembership>(NAMED, [userId, references]);
}
