// The queries that delete an organization: one marks it as deleted, the others remove its rows in portions.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Revoking } from '../../base/revoking/publish.ts';

// A trigger also suspends the organization and frees its slug. No later revocation cancels the revocation of the
// organization, so the organization's access tokens are refused until the last of them has expired.
const MARK = statement(`
WITH announced AS (
  INSERT INTO revocations (id, kind, subject, state) VALUES (gen_random_uuid(), 'organization', $1::uuid, 'suspended')
),
marked AS (UPDATE organizations SET deleted_at = clock_timestamp() WHERE id = $1::uuid)
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`);

/** Marks the organization as deleted, and revokes its tokens. From the commit on nobody finds the organization. */
export async function markDeleted(tx: OrganizationTx | SystemTx, organizationId: string): Promise<Revoking> {
  const rows = await tx.rows<{ at: number }>(MARK, [organizationId]);
  return { revocations: rows.map(({ at }) => ({ kind: 'organization', org: organizationId, state: 'suspended', at })) };
}

const LIST = statement(`
SELECT id::text FROM organizations WHERE status = 'suspended' AND deleted_at IS NOT NULL ORDER BY id LIMIT 10`);

/** Deleted organizations that still have rows, at most ten. */
export async function listDeleted(tx: SystemReader): Promise<string[]> {
  const rows = await tx.rows<{ id: string }>(LIST, []);
  return rows.map(({ id }) => id);
}

const CLAIM = statement(`
SELECT 1 FROM organizations WHERE id = $1::uuid AND deleted_at IS NOT NULL FOR UPDATE SKIP LOCKED`);

/**
 * Lets no other process remove rows of the organization until the transaction ends. Returns false if another process
 * removes them now, or has removed all of them.
 */
export async function lockDeleted(tx: SystemTx, organizationId: string): Promise<boolean> {
  return (await tx.rows(CLAIM, [organizationId])).length > 0;
}

// $1 organization, $2 number of rows. The sessions are locked in the order of their ids. The statements that end
// sessions use the same order, so that two of them cannot deadlock.
const RELEASE_SESSIONS = statement(`
WITH picked AS MATERIALIZED (SELECT id FROM sessions WHERE organization_id = $1::uuid LIMIT $2::int),
locked AS (SELECT id FROM sessions WHERE id IN (SELECT id FROM picked) ORDER BY id FOR UPDATE),
released AS (
  UPDATE sessions SET organization_id = NULL
  WHERE id IN (SELECT id FROM locked) AND organization_id = $1::uuid RETURNING 1
)
SELECT count(*)::int AS rows, NULL AS after FROM released`);

// $1 organization, $2 number of rows. $3 is the member after whom the portion begins. Without $3, each portion would
// read the dead index entries that earlier portions have left behind. A session that has begun to act for the
// organization meanwhile acts for none afterwards.
const REMOVE_MEMBERS = statement(`
WITH picked AS MATERIALIZED (
  SELECT user_id FROM memberships WHERE organization_id = $1::uuid AND user_id > $3::uuid ORDER BY user_id LIMIT $2::int
),
locked AS (
  SELECT id FROM sessions WHERE organization_id = $1::uuid AND user_id IN (SELECT user_id FROM picked)
  ORDER BY id FOR UPDATE
),
removed AS (
  DELETE FROM memberships WHERE organization_id = $1::uuid AND user_id IN (SELECT user_id FROM picked)
    AND (SELECT count(*) FROM locked) >= 0
)
SELECT count(*)::int AS rows, (array_agg(user_id::text ORDER BY user_id DESC))[1] AS after FROM picked`);

const removing = (table: string) =>
  statement(`
WITH removed AS (
  DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE organization_id = $1::uuid LIMIT $2::int))
  RETURNING 1
)
SELECT count(*)::int AS rows, NULL AS after FROM removed`);

/** The kinds of rows of which an organization may have many, in the order in which they are removed. */
const PORTIONS = [
  RELEASE_SESSIONS,
  REMOVE_MEMBERS,
  removing('invitations'),
  removing('idempotency_keys'),
  removing('clients'),
] as const;

export const KINDS = PORTIONS.length;

/**
 * Removes at most `max` rows of one kind, and what belongs to them. Sessions are not removed, but act for no
 * organization afterwards. `after` is the last member that was removed before. Returns the number of rows, and the last
 * member that is removed now.
 */
export async function removePortion(
  tx: SystemTx,
  organizationId: string,
  { kind, after, max }: { readonly kind: number; readonly after: string; readonly max: number },
): Promise<{ readonly rows: number; readonly after: string | null }> {
  const asked = PORTIONS[kind];
  if (!asked) throw new RangeError(`there is no kind ${kind}`);
  const values = asked === REMOVE_MEMBERS ? [organizationId, max, after] : [organizationId, max];
  const [row] = await tx.rows<{ rows: number; after: string | null }>(asked, values);
  return row ?? { rows: 0, after: null };
}

const REMOVE = statement('DELETE FROM organizations WHERE id = $1::uuid AND deleted_at IS NOT NULL');

/** Removes the row of the deleted organization with the few rows that are left. */
export async function removeOrganizationRow(tx: SystemTx, organizationId: string): Promise<void> {
  await tx.rows(REMOVE, [organizationId]);
}
