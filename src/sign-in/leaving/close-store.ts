// The queries that read what may prevent the closing of an account: the organizations of the user.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

export interface HeldOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: 'active' | 'suspended';
  /** Whether the user is an owner, and no other active member with an active account is one. */
  readonly isLastOwner: boolean;
  /** Whether the organization has another active member with an active account. */
  readonly hasOthers: boolean;
}

const owner = (of: string) => `
SELECT FROM role_assignments a JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
WHERE a.organization_id = m.organization_id AND a.user_id = ${of}.user_id AND a.scope = '{}'`;
const OTHERS = `
FROM memberships b JOIN users u ON u.id = b.user_id AND u.status = 'active'
WHERE b.organization_id = m.organization_id AND b.user_id <> m.user_id AND b.status = 'active'`;

const HELD = statement(`
SELECT o.id::text, o.name, o.slug, o.status,
  EXISTS (${owner('m')}) AND NOT EXISTS (SELECT ${OTHERS} AND EXISTS (${owner('b')})) AS "isLastOwner",
  EXISTS (SELECT ${OTHERS}) AS "hasOthers"
FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
WHERE m.user_id = $1::uuid ORDER BY o.id`);

/** The organizations of which the user is a member, whatever the status of the membership. */
export function listHeld(tx: SystemReader | SystemTx, userId: string): Promise<HeldOrganization[]> {
  return tx.rows(HELD, [userId]);
}

const IDS = statement(`
SELECT o.id::text FROM memberships m JOIN organizations o ON o.id = m.organization_id AND o.deleted_at IS NULL
WHERE m.user_id = $1::uuid`);

/** The ids of the same organizations. */
export async function listHeldIds(tx: SystemTx, userId: string): Promise<string[]> {
  return (await tx.rows<{ id: string }>(IDS, [userId])).map(({ id }) => id);
}
