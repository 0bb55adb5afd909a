// The queries of roles. A system role belongs to no organization: its owner key is the zero UUID.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../platform/db.ts';

export const SYSTEM_OWNER = '00000000-0000-0000-0000-000000000000';

export interface SystemRole {
  readonly name: string;
  readonly description: string;
  readonly level: number;
  readonly permissions: readonly string[];
}

/** A system role by name: never one that an organization made under the same name. */
export async function findSystemRole(
  tx: OrganizationTx | SystemTx,
  name: string,
): Promise<{ id: string; ownerKey: string } | null> {
  return tx.models.role.findFirst({ where: { ownerKey: SYSTEM_OWNER, name }, select: { id: true, ownerKey: true } });
}

const LIST_SYSTEM = statement(`
SELECT name, description, level, permissions FROM roles WHERE owner_key = '${SYSTEM_OWNER}' ORDER BY name`);

/** Every system role. */
export function listSystemRoles(tx: SystemReader): Promise<SystemRole[]> {
  return tx.rows<SystemRole>(LIST_SYSTEM, []);
}

const UPSERT = statement(`
INSERT INTO roles (id, owner_key, name, description, level, permissions)
VALUES ($1::uuid, '${SYSTEM_OWNER}', $2, $3, $4::int, $5::text[])
ON CONFLICT (owner_key, name) DO UPDATE
  SET description = excluded.description, level = excluded.level, permissions = excluded.permissions, updated_at = now()
  WHERE (roles.description, roles.level, roles.permissions) IS DISTINCT FROM
    (excluded.description, excluded.level, excluded.permissions)
RETURNING id`);

/** Makes a system role what it is asked to be; false when it was so already. */
export async function upsertSystemRole(tx: SystemTx, id: string, role: SystemRole): Promise<boolean> {
  const rows = await tx.rows(UPSERT, [id, role.name, role.description, role.level, role.permissions]);
  return rows.length > 0;
}
