// The queries of the permission catalogue.
import { type OrganizationReader, statement } from '../../base/database/db.ts';
import { SYSTEM_OWNER } from '../roles/store.ts';

const KNOWN = `
SELECT p.permission COLLATE "C" AS permission FROM roles r CROSS JOIN LATERAL unnest(r.permissions) AS p (permission)
WHERE r.owner_key IN ($1::uuid, '${SYSTEM_OWNER}')
UNION SELECT own.permission COLLATE "C" FROM unnest($2::text[]) AS own (permission)`;

// $1 organization, $2 Tenantry's own permissions, $3 limit, $4 offset.
const LIST = statement(`
SELECT permission, (count(*) OVER ())::int AS total FROM (${KNOWN}) AS known
ORDER BY permission LIMIT $3::int OFFSET $4::int`);

/** The permissions of `own`, of the system roles and of the organization's roles, sorted and without repeats. */
export function listPermissions(
  tx: OrganizationReader,
  organizationId: string,
  own: readonly string[],
  page: { readonly limit: number; readonly offset: number },
): Promise<{ readonly permission: string; readonly total: number }[]> {
  return tx.rows(LIST, [organizationId, own, page.limit, page.offset]);
}

const COUNT = statement(`SELECT count(*)::int AS total FROM (${KNOWN}) AS known`);

export async function countPermissions(
  tx: OrganizationReader,
  organizationId: string,
  own: readonly string[],
): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId, own]);
  return row?.total ?? 0;
}
