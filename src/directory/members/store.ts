// The queries of memberships.
import { type OrganizationTx, type SystemTx, statement, type UserReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';

// An account that is being closed is locked. This statement then waits, and finds the account closed.
const INSERT = statement(`
INSERT INTO memberships (organization_id, user_id)
SELECT $1::uuid, u.id FROM users u WHERE u.id = $2::uuid AND u.status <> 'closed' FOR KEY SHARE RETURNING user_id`);

/** Raises not_found when the account of the user was closed at the same moment. */
export async function insertMembership(
  tx: OrganizationTx | SystemTx,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<void> {
  const inserted = await tx.rows(INSERT, [organizationId, userId]);
  if (inserted.length === 0) throw problem('not_found', { detail: 'The account was closed at the same moment.' });
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
// their ids. The statements that end sessions use the same order, so that two of them cannot deadlock.
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

// The sessions are locked first, as by DELETE. $1 is the id of the user, $2 are the ids of the organizations that get
// an event, and $3 is the id of the actor or null.
const DELETE_ALL = statement(`
WITH locked AS (SELECT id FROM sessions WHERE user_id = $1::uuid ORDER BY id FOR UPDATE),
ended AS (
  DELETE FROM memberships WHERE user_id = $1::uuid AND (SELECT count(*) FROM locked) >= 0 RETURNING organization_id
)
INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
SELECT gen_random_uuid(), organization_id, 'member.left', $3::uuid, $1::uuid,
  json_build_object('reason', 'account_closed')::jsonb
FROM ended WHERE organization_id = ANY($2::text[]::uuid[])`);

/**
 * Removes every membership of a user whose account is being closed. Records that the user has left the organizations in
 * `left`. The caller deletes the user's other organizations. `actorId` is null for an operator and for the service
 * itself.
 */
export async function deleteMembershipsOf(
  tx: SystemTx,
  userId: string,
  { left, actorId }: { readonly left: readonly string[]; readonly actorId: string | null },
): Promise<void> {
  await tx.rows(DELETE_ALL, [userId, left, actorId]);
}
