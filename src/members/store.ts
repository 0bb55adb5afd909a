// The queries of memberships and role assignments.
import type { OrganizationTx, SystemTx } from '../platform/db.ts';

export async function insertMembership(
  tx: OrganizationTx | SystemTx,
  row: { readonly organizationId: string; readonly userId: string },
): Promise<void> {
  await tx.models.membership.create({ data: row });
}

export async function insertAssignment(
  tx: OrganizationTx | SystemTx,
  row: {
    readonly id: string;
    readonly organizationId: string;
    readonly userId: string;
    readonly roleId: string;
    readonly roleOwnerKey: string;
  },
): Promise<void> {
  await tx.models.roleAssignment.create({ data: row });
}
