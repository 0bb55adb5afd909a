// The query that deletes an organization.
import { type OrganizationTx, statement } from '../../base/database/db.ts';
import type { Revoking } from '../../base/revoking/publish.ts';

// Foreign keys delete everything that belongs to the organization. Its members' sessions stay open and act for no
// organization. No later revocation cancels the revocation of the organization, so the organization's access tokens are
// refused until the last of them has expired. The sessions are locked in the order of their ids. Every statement that
// ends sessions uses that order, so no two of them can deadlock.
const DELETE = statement(`
WITH announced AS (
  INSERT INTO revocations (id, kind, subject, state) VALUES (gen_random_uuid(), 'organization', $1::uuid, 'suspended')
),
locked AS (SELECT id FROM sessions WHERE organization_id = $1::uuid ORDER BY id FOR UPDATE),
deleted AS (DELETE FROM organizations WHERE id = $1::uuid AND (SELECT count(*) FROM locked) >= 0)
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`);

/** Deletes the organization with everything that belongs to it, and revokes its tokens. */
export async function deleteOrganizationRow(tx: OrganizationTx, organizationId: string): Promise<Revoking> {
  const rows = await tx.rows<{ at: number }>(DELETE, [organizationId]);
  return { revocations: rows.map(({ at }) => ({ kind: 'organization', org: organizationId, state: 'suspended', at })) };
}
