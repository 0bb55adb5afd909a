// The queries with which the epochs of the members of a role are raised in slices. A row of unfinished_role_changes
// says that a change of the role is committed, and up to which user the epochs have been raised since.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { MembershipKey } from '../users/epoch-store.ts';

export interface UnfinishedChange {
  readonly id: string;
  /** Null for a system role. */
  readonly organizationId: string | null;
  readonly ownerKey: string;
  readonly roleId: string;
  /** The members up to this user are done. */
  readonly after: string;
}

const COLUMNS = `c.id::text, c.organization_id::text AS "organizationId", c.role_owner_key::text AS "ownerKey",
  c.role_id::text AS "roleId", c.after_user_id::text AS after`;

// A second change of the role starts again with the first member. $1 id, $2 organization or null, $3 owner key, $4
// role.
const BEGIN = statement(`
INSERT INTO unfinished_role_changes AS c (id, organization_id, role_owner_key, role_id, after_user_id)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, '${NIL_ID}')
ON CONFLICT (role_owner_key, role_id) DO UPDATE
  SET after_user_id = excluded.after_user_id, advanced_at = clock_timestamp()
RETURNING ${COLUMNS}`);

/** Records that the epochs of all members of the role are still to be raised. */
export async function insertUnfinishedChange(
  tx: OrganizationTx | SystemTx,
  id: string,
  { organizationId, ownerKey, roleId }: Pick<UnfinishedChange, 'organizationId' | 'ownerKey' | 'roleId'>,
): Promise<UnfinishedChange> {
  const [row] = await tx.rows<UnfinishedChange>(BEGIN, [id, organizationId, ownerKey, roleId]);
  if (!row) throw new Error('the change of the role was not written');
  return row;
}

const OF_OWNER = statement(`SELECT ${COLUMNS} FROM unfinished_role_changes c WHERE c.role_owner_key = $1::uuid`);

/** The unfinished changes of all system roles, or of all roles of an organization. */
export function listUnfinishedChanges(tx: SystemReader, ownerKey: string): Promise<UnfinishedChange[]> {
  return tx.rows<UnfinishedChange>(OF_OWNER, [ownerKey]);
}

const ABANDONED = statement(`
SELECT ${COLUMNS} FROM unfinished_role_changes c
WHERE c.advanced_at < clock_timestamp() - $1::float8 * interval '1 second' ORDER BY c.advanced_at LIMIT 10`);

/** Changes on which no process has worked for this number of seconds, at most ten of them. */
export function listAbandonedChanges(tx: SystemReader, seconds: number): Promise<UnfinishedChange[]> {
  return tx.rows<UnfinishedChange>(ABANDONED, [seconds]);
}

const LOCK = statement(`
SELECT after_user_id::text AS after FROM unfinished_role_changes WHERE id = $1::uuid FOR UPDATE`);

/**
 * Locks the change, so that other processes wait for their turn. Returns the user up to whom the members are done, or
 * null when the change is finished.
 */
export async function lockUnfinishedChange(tx: SystemTx, id: string): Promise<string | null> {
  const [row] = await tx.rows<{ after: string }>(LOCK, [id]);
  return row?.after ?? null;
}

const ADVANCE = statement(`
UPDATE unfinished_role_changes SET after_user_id = $2::uuid, advanced_at = clock_timestamp() WHERE id = $1::uuid`);

export async function updateProgress(tx: SystemTx, id: string, after: string): Promise<void> {
  await tx.rows(ADVANCE, [id, after]);
}

const DELETE = statement('DELETE FROM unfinished_role_changes WHERE id = $1::uuid');

export async function deleteUnfinishedChange(tx: SystemTx, id: string): Promise<void> {
  await tx.rows(DELETE, [id]);
}

// $1 owner key, $2 role, $3 the user after whom the list begins, $4 users in a slice, $5 users in the whole list.
const HOLDERS = statement(`
WITH people AS MATERIALIZED (
  SELECT DISTINCT user_id FROM role_assignments
  WHERE role_owner_key = $1::uuid AND role_id = $2::uuid AND user_id > $3::uuid ORDER BY user_id LIMIT $5::int
)
SELECT array_agg(user_id::text ORDER BY user_id, organization_id) AS users,
  array_agg(organization_id::text ORDER BY user_id, organization_id) AS organizations FROM (
  SELECT user_id, organization_id, (dense_rank() OVER (ORDER BY user_id) - 1) / $4::int AS part FROM (
    SELECT DISTINCT a.user_id, a.organization_id FROM role_assignments a
    WHERE a.role_owner_key = $1::uuid AND a.role_id = $2::uuid AND a.user_id > $3::uuid
      AND a.user_id <= (SELECT user_id FROM people ORDER BY user_id DESC LIMIT 1)) AS holders) AS parted
GROUP BY part ORDER BY part`);

/** The maximum number of users in one list, so that the list of a million members needs little memory. */
const LISTED_MAX = 50_000;

/**
 * The memberships of the users who have the role, from the user after `after` on, sorted by user, in slices of at most
 * `usersAtOnce` users. All memberships of a user are in one slice. The list may end before the last user.
 */
export async function listHolderSlices(
  tx: SystemReader,
  { ownerKey, roleId, after }: Pick<UnfinishedChange, 'ownerKey' | 'roleId' | 'after'>,
  usersAtOnce: number,
): Promise<MembershipKey[][]> {
  const values = [ownerKey, roleId, after, usersAtOnce, LISTED_MAX];
  const rows = await tx.rows<{ users: string[]; organizations: string[] }>(HOLDERS, values);
  return rows.map(({ users, organizations }) =>
    users.map((userId, index) => ({ userId, organizationId: organizations[index] ?? '' })),
  );
}
