// The queries that the changes of members, roles and invitations share. One takes the lock that makes such changes of
// one organization run one after another. Others read a member's rights, and count the owners, under this lock.
import { type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';
import { type FoundSession, isSessionLiveSql, lockSessionSql, type SessionOwner } from '../users/session-store.ts';
import type { Standing } from './granting.ts';

// Null for an organization that is deleted, whose rows may still be there.
const STATUS = `CASE WHEN deleted_at IS NULL THEN status END`;

const LOCK = statement(`SELECT ${STATUS} AS status FROM organizations WHERE id = $1::uuid FOR NO KEY UPDATE`);

/**
 * Makes every other transaction that takes this lock wait until this transaction ends. The changes of the
 * organization's members, own roles and invitations take it, so what this transaction reads about them later does not
 * change until it ends. Returns the status of the organization, or null when there is no such organization.
 */
export async function lockOrganization(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
): Promise<'active' | 'suspended' | null> {
  const [row] = await tx.rows<{ status: 'active' | 'suspended' }>(LOCK, [organizationId]);
  return row?.status ?? null;
}

// The organizations are locked in the order of their ids, so that two of these statements cannot deadlock.
const LOCK_SEVERAL = statement(`
SELECT id FROM organizations WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR NO KEY UPDATE`);

/** Takes the lock of lockOrganization for several organizations. */
export async function lockOrganizations(tx: SystemTx, organizationIds: readonly string[]): Promise<void> {
  await tx.rows(LOCK_SEVERAL, [organizationIds]);
}

// The setting makes the row of the session visible in the scope of the organization (the policy current_session).
const LOCK_FOR_CALLER = statement(`
SELECT ${STATUS} AS status, set_config('app.current_session_id', $2, true) AS session FROM organizations WHERE id = $1::uuid
FOR NO KEY UPDATE`);

/** Does the same as lockOrganization, for a caller whose rights findCallerStanding reads next. */
export async function lockOrganizationFor(
  tx: OrganizationTx,
  organizationId: string,
  sessionId: string,
): Promise<'active' | 'suspended' | null> {
  const [row] = await tx.rows<{ status: 'active' | 'suspended' }>(LOCK_FOR_CALLER, [organizationId, sessionId]);
  return row?.status ?? null;
}

export interface MemberStanding extends Standing {
  /** Whether both the membership and the account are active. If not, none of these rights count. */
  readonly active: boolean;
  readonly status: 'active' | 'suspended';
  /**
   * The highest level of all of the member's roles, including scoped roles. Another member who changes or removes this
   * member needs at least this level.
   */
  readonly rank: number;
  /** Whether the member has an unscoped role with ownership. */
  readonly owner: boolean;
}

const STANDING = `
SELECT m.status, m.status = 'active' AND u.status = 'active' AS active,
  coalesce(max(r.level) FILTER (WHERE a.scope = '{}'), -1)::int AS level,
  coalesce(max(r.level), -1)::int AS rank,
  coalesce(bool_or(r.ownership AND a.scope = '{}'), false) AS owner,
  ARRAY(SELECT DISTINCT p.permission FROM role_assignments s
    JOIN roles sr ON sr.owner_key = s.role_owner_key AND sr.id = s.role_id
    CROSS JOIN LATERAL unnest(sr.permissions) AS p (permission)
    WHERE s.organization_id = $1::uuid AND s.user_id = $2::uuid AND s.scope = '{}') AS permissions
FROM memberships m JOIN users u ON u.id = m.user_id
LEFT JOIN role_assignments a ON a.organization_id = m.organization_id AND a.user_id = m.user_id
LEFT JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
WHERE m.organization_id = $1::uuid AND m.user_id = $2::uuid
GROUP BY m.status, u.status`;

const FIND_STANDING = statement(STANDING);

/** A member's rights, as the transaction sees them. Returns null for a user who is not a member. */
export async function findStanding(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  userId: string,
): Promise<MemberStanding | null> {
  const [row] = await tx.rows<MemberStanding>(FIND_STANDING, [organizationId, userId]);
  return row ?? null;
}

// $1 organization, $2 user, $3 session, $4 the id of the key that signed the caller's token, or null.
const FIND_CALLER_STANDING = statement(`
WITH session AS MATERIALIZED (${lockSessionSql('$2::uuid', '$3::uuid')})
SELECT EXISTS (SELECT FROM session) AS live, ${isKeyRevokedSql('$4::text')} AS "keyRevoked",
  (SELECT row_to_json(standing) FROM (${STANDING}) AS standing) AS standing`);

export interface CallerStanding extends FoundSession {
  /** Null for a user who is not a member. */
  readonly standing: MemberStanding | null;
}

/**
 * The rights of a caller, and whether the caller's session is live, in one statement. Nobody can end the session until
 * the transaction ends. Call this after lockOrganizationFor.
 */
export async function findCallerStanding(
  tx: OrganizationTx,
  organizationId: string,
  { id, sessionId, keyId }: SessionOwner,
): Promise<CallerStanding> {
  const values = [organizationId, id, sessionId, keyId ?? null];
  const [row] = await tx.rows<CallerStanding>(FIND_CALLER_STANDING, values);
  return row ?? { live: false, keyRevoked: false, standing: null };
}

export interface FoundCaller extends CallerStanding {
  /** The status of the organization. Null when there is no such organization. */
  readonly status: 'active' | 'suspended' | null;
}

/**
 * A SELECT of one FoundCaller, which locks nothing. It is for a request that changes nothing, such as a repeat that
 * gets a kept answer. $1 is the id of the organization or null, $2 of the user, $3 of the session, and $4 of the key
 * that signed the caller's token.
 */
export const FOUND_CALLER_SQL = `
SELECT EXISTS (${isSessionLiveSql('$2::uuid', '$3::uuid')}) AS live, ${isKeyRevokedSql('$4::text')} AS "keyRevoked",
  (SELECT row_to_json(standing) FROM (${STANDING}) AS standing) AS standing,
  (SELECT ${STATUS} FROM organizations WHERE id = $1::uuid) AS status`;

const OWNERS = statement(`
SELECT count(DISTINCT a.user_id)::int AS owners FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
JOIN memberships m ON m.organization_id = a.organization_id AND m.user_id = a.user_id AND m.status = 'active'
JOIN users u ON u.id = m.user_id AND u.status = 'active'
WHERE a.organization_id = $1::uuid AND a.scope = '{}'`);

/**
 * How many active owners the organization has. Call this after a change and under the lock, to undo a change that
 * leaves no owner.
 */
export async function countOwners(tx: OrganizationTx | SystemTx, organizationId: string): Promise<number> {
  const [row] = await tx.rows<{ owners: number }>(OWNERS, [organizationId]);
  return row?.owners ?? 0;
}

// This is an advisory lock and not a lock of the user's row, so that other changes of the user need not wait.
const LOCK_OWNER = statement(
  "SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended('founder ' || $1, 20261121))) AS l",
);
const OWNED = statement(`
SELECT count(DISTINCT a.organization_id)::int AS owned FROM role_assignments a
JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id AND r.ownership
JOIN organizations o ON o.id = a.organization_id AND o.deleted_at IS NULL
WHERE a.user_id = $1::uuid AND a.scope = '{}'`);

/**
 * How many organizations the user owns. Other transactions in which the user creates an organization wait until this
 * transaction ends.
 */
export async function lockAndCountOwned(tx: SystemTx, userId: string): Promise<number> {
  await tx.rows(LOCK_OWNER, [userId]);
  const [row] = await tx.rows<{ owned: number }>(OWNED, [userId]);
  return row?.owned ?? 0;
}
