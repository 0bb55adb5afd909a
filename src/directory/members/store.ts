// The queries of memberships.
import { type OrganizationTx, type SystemTx, statement, type UserReader } from '../../base/database/db.ts';

export async function insertMembership(
  tx: OrganizationTx | SystemTx,
  row: { readonly organizationId: string; readonly userId: string },
): Promise<void> {
  await tx.models.membership.create({ data: row });
}

const SET_STATUS = statement(`
UPDATE memberships SET status = $3 WHERE organization_id = $1::uuid AND user_id = $2::uuid`);

export async function updateMemberStatus(
  tx: OrganizationTx,
  organizationId: string,
  userId: string,
  status: 'active' | 'suspended',
): Promise<void> {
  await tx.rows(SET_STATUS, [organizationId, userId, status]);
}

const LOCK = statement(`
SELECT 1 FROM memberships WHERE organization_id = $1::uuid AND user_id = $2::uuid FOR UPDATE`);

/** Makes every change that lets a session act for this membership wait until the transaction ends. */
export async function lockMembership(tx: OrganizationTx, organizationId: string, userId: string): Promise<void> {
  await tx.rows(LOCK, [organizationId, userId]);
}

// Deleting the membership makes its sessions act for no organization. The sessions are first locked in the order of
// their ids. Every statement that ends sessions uses that order, so no two of them can deadlock.
const DELETE = statement(`
WITH locked AS (
  SELECT id FROM sessions WHERE organization_id = $1::uuid AND user_id = $2::uuid ORDER BY id FOR UPDATE
)
DELETE FROM memberships WHERE organization_id = $1::uuid AND user_id = $2::uuid AND (SELECT count(*) FROM locked) >= 0`);

/** Removes a membership with its role assignments. */
export async function deleteMembership(tx: OrganizationTx, organizationId: string, userId: string): Promise<void> {
  await tx.rows(DELETE, [organizationId, userId]);
}

const OWN = statement(`
SELECT 1 FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
WHERE m.user_id = $1::uuid AND m.organization_id = $2::uuid`);

/** Whether the user is a member of the organization, even when the membership or the organization is suspended. */
export async function findOwnMembership(tx: UserReader, userId: string, organizationId: string): Promise<boolean> {
  return (await tx.rows(OWN, [userId, organizationId])).length > 0;
}
