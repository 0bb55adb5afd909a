// The queries of organizations and their subscriptions.
import {
  type OrganizationTx,
  type SystemReader,
  type SystemTx,
  statement,
  type UserReader,
} from '../../base/database/db.ts';

export interface NewOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
}

/** Inserts the row. Returns false, and writes nothing, when the slug is taken. */
export async function insertOrganizationRow(tx: OrganizationTx | SystemTx, row: NewOrganization): Promise<boolean> {
  const { count } = await tx.models.organization.createMany({ data: [row], skipDuplicates: true });
  return count === 1;
}

export interface SubscriptionLimits {
  readonly teamMembers: number;
  readonly messages: number;
  readonly phoneNumbers: number;
}

export interface NewSubscription {
  readonly organizationId: string;
  readonly plan: string;
  readonly status: 'trialing';
  readonly trialEndsAt: Date;
  readonly limits: SubscriptionLimits;
}

export async function insertSubscription(tx: OrganizationTx | SystemTx, row: NewSubscription): Promise<void> {
  await tx.models.subscription.create({ data: { ...row, limits: { ...row.limits } } });
}

const FIND = statement(`
SELECT id FROM organizations
WHERE deleted_at IS NULL
  AND (slug = $1 OR id = CASE WHEN $1 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN $1::uuid END)`);

/**
 * The id of the organization with this id or slug, even when the organization is suspended. `reference` must be in
 * lower case.
 */
export async function findOrganizationId(tx: SystemReader, reference: string): Promise<string | null> {
  const [row] = await tx.rows<{ id: string }>(FIND, [reference]);
  return row?.id ?? null;
}

// Only the system scope sees every slug. The statement looks up one number after the other in the unique index until it
// has found enough free numbers. It cannot read a range of slugs, because their order depends on the collation. The
// condition is a sub-select, because PostgreSQL may turn EXISTS into a join that reads the whole table.
const FREE_NUMBERS = statement(`
WITH RECURSIVE candidates AS (
  SELECT 0 AS number, (SELECT o.id FROM organizations o WHERE o.slug = $1) AS taken_by, 0 AS free_before
  UNION ALL
  SELECT c.number + 1, (SELECT o.id FROM organizations o WHERE o.slug = $1 || '-' || (c.number + 1)),
    c.free_before + (c.taken_by IS NULL)::int
  FROM candidates c WHERE c.free_before + (c.taken_by IS NULL)::int < $2::int AND c.number < $3::int
)
SELECT number FROM candidates WHERE taken_by IS NULL ORDER BY number`);

/**
 * Returns the first `count` numbers n up to `numberMax` whose slug `base-n` is free now. The number 0 means `base`
 * itself.
 */
export async function listFreeSlugNumbers(
  tx: SystemReader,
  base: string,
  { count, numberMax }: { readonly count: number; readonly numberMax: number },
): Promise<number[]> {
  const rows = await tx.rows<{ number: number }>(FREE_NUMBERS, [base, count, numberMax]);
  return rows.map((row) => row.number);
}

const LOCK_SLUGS = statement(
  "SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended('slugs of ' || $1, 20261128))) AS l",
);

/** Makes every other transaction that locks the slugs of this base wait until this transaction ends. */
export async function lockSlugs(tx: SystemTx, base: string): Promise<void> {
  await tx.rows(LOCK_SLUGS, [base]);
}

export interface OwnMembership {
  readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
  readonly roles: readonly string[];
  readonly joinedAt: string;
  readonly total: number;
}

const OWN = statement(`
SELECT json_build_object('id', o.id, 'name', o.name, 'slug', o.slug) AS organization,
  to_char(m.joined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "joinedAt",
  (count(*) OVER ())::int AS total,
  (SELECT coalesce(json_agg(DISTINCT r.name), '[]') FROM role_assignments a
    JOIN roles r ON r.owner_key = a.role_owner_key AND r.id = a.role_id
    WHERE a.organization_id = m.organization_id AND a.user_id = m.user_id) AS roles
FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.user_id = $1 AND m.status = 'active' AND o.status = 'active'
ORDER BY m.joined_at, o.id LIMIT $2 OFFSET $3`);

/** The active memberships of a user in active organizations, the oldest first. */
export function listOwnMemberships(
  tx: UserReader,
  userId: string,
  limit: number,
  offset: number,
): Promise<OwnMembership[]> {
  return tx.rows<OwnMembership>(OWN, [userId, limit, offset]);
}

const FIND_OWN = statement(`
SELECT o.id, o.name, o.slug FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.user_id = $1 AND o.id = $2::uuid AND m.status = 'active' AND o.status = 'active'`);

/** The active organization with this id, if the user is an active member of it; null otherwise. */
export async function findOwnOrganization(
  tx: UserReader,
  userId: string,
  organizationId: string,
): Promise<OwnMembership['organization'] | null> {
  const [row] = await tx.rows<OwnMembership['organization']>(FIND_OWN, [userId, organizationId]);
  return row ?? null;
}

const OWN_TOTAL = statement(`
SELECT count(*)::int AS total FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.user_id = $1 AND m.status = 'active' AND o.status = 'active'`);

export async function countOwnMemberships(tx: UserReader, userId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(OWN_TOTAL, [userId]);
  return row?.total ?? 0;
}
