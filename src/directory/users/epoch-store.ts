// The queries that raise the epochs of users, of memberships and of the roles of an organization. Once a service has
// read the revocation, it refuses the older access tokens: all tokens of the user, the user's tokens for the
// organization of the membership, or the tokens for the organization that name the role.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { revokingEpochs, revokingMemberships, revokingRole } from '../../base/revoking/sql.ts';
import type { Revocation } from '../../protocol/revocation.ts';

// The rows are locked in the order of their ids, so that two of these statements cannot deadlock.
const RAISE = statement(`
WITH locked AS (SELECT id FROM users WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR NO KEY UPDATE),
raised AS (UPDATE users u SET epoch = u.epoch + 1 FROM locked WHERE u.id = locked.id RETURNING u.id, u.epoch),
revoked AS (${revokingEpochs('user', 'raised')})
SELECT id::text AS sub, epoch FROM raised`);

/**
 * Raises the epochs of the listed users that the transaction can see, and writes their revocations. Use this for a
 * change of the whole account, such as a new password. For a change in one organization, use raiseMembershipEpochs. The
 * caller publishes the returned revocations after the commit.
 */
export async function raiseEpochs(
  tx: OrganizationTx | SystemTx | SystemReader,
  userIds: readonly string[],
): Promise<Revocation[]> {
  if (userIds.length === 0) return [];
  const rows = await tx.rows<{ sub: string; epoch: number }>(RAISE, [userIds]);
  return rows.map(({ sub, epoch }) => ({ kind: 'user', sub, epoch }));
}

export interface MembershipKey {
  readonly organizationId: string;
  readonly userId: string;
}

// The epoch of a membership is the value to which the change raises the epoch of its user. Processes of the previous
// version know only the user's epoch, and refuse all older tokens of the user. This statement raises a user's epoch
// only together with a membership, because a raised epoch without the revocation of a membership counts as a change of
// the whole account. A membership may end while this waits for the user, so the memberships are locked, too. $1 users
// and $2 their organizations.
const RAISE_MEMBERSHIPS = statement(`
WITH wanted AS (
  SELECT DISTINCT m.user_id, m.organization_id FROM unnest($1::text[], $2::text[]) AS w (user_id, organization_id)
  JOIN memberships m ON m.user_id = w.user_id::uuid AND m.organization_id = w.organization_id::uuid
),
locked AS (
  SELECT u.id FROM users u WHERE u.id IN (SELECT user_id FROM wanted) ORDER BY u.id FOR NO KEY UPDATE
),
held AS (
  SELECT m.user_id, m.organization_id FROM memberships m JOIN locked l ON l.id = m.user_id
  JOIN wanted w ON w.user_id = m.user_id AND w.organization_id = m.organization_id
  ORDER BY m.user_id, m.organization_id FOR NO KEY UPDATE OF m
),
raised AS (
  UPDATE users u SET epoch = u.epoch + 1 FROM (SELECT DISTINCT user_id FROM held) h WHERE u.id = h.user_id
  RETURNING u.id, u.epoch
),
marked AS (
  UPDATE memberships m SET epoch = r.epoch FROM raised r JOIN held h ON h.user_id = r.id
  WHERE m.organization_id = h.organization_id AND m.user_id = h.user_id
  RETURNING m.organization_id, m.user_id, m.epoch
),
revoked AS (${revokingMemberships('marked')})
SELECT user_id::text AS sub, organization_id::text AS org, epoch FROM marked`);

/**
 * Raises the epochs of the listed memberships that the transaction can see, and writes their revocations. The users'
 * tokens for other organizations stay valid. Call this in the transaction that changes the rights of these members,
 * before the transaction locks or removes a membership. The caller publishes the returned revocations after the commit.
 */
export async function raiseMembershipEpochs(
  tx: OrganizationTx | SystemTx | SystemReader,
  memberships: readonly MembershipKey[],
): Promise<Revocation[]> {
  if (memberships.length === 0) return [];
  const users = memberships.map(({ userId }) => userId);
  const organizations = memberships.map(({ organizationId }) => organizationId);
  const rows = await tx.rows<{ sub: string; org: string; epoch: number }>(RAISE_MEMBERSHIPS, [users, organizations]);
  return rows.map((row) => ({ kind: 'membership', ...row }));
}

// $1 organization, $2 name of the role before the change.
const RAISE_ROLES = statement(`
WITH raised AS (
  UPDATE organizations SET roles_epoch = roles_epoch + 1 WHERE id = $1::uuid
  RETURNING id, roles_epoch AS epoch, $2::text AS role_name
),
revoked AS (${revokingRole('raised')})
SELECT epoch FROM raised`);

/**
 * Raises the epoch of the organization's roles, and writes the revocation of the tokens that name this role. This takes
 * the same time for any number of members. A token does not name a role that the member has only in a scope, nor does
 * it have permissions because of that role. The caller holds the organization's lock, and publishes the returned
 * revocations after the commit.
 */
export async function raiseRolesEpoch(tx: OrganizationTx, organizationId: string, role: string): Promise<Revocation[]> {
  const rows = await tx.rows<{ epoch: number }>(RAISE_ROLES, [organizationId, role]);
  return rows.map(({ epoch }) => ({ kind: 'role', org: organizationId, role, epoch }));
}
