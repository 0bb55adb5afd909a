// The queries of organizations and their subscriptions.
import { type OrganizationTx, type SystemReader, type SystemTx, statement, type UserReader } from '../platform/db.ts';

export interface NewOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
}

/** False when the slug is taken; then nothing was written. */
export async function insertOrganization(tx: OrganizationTx | SystemTx, row: NewOrganization): Promise<boolean> {
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

// Only the system sees every slug. The first number that is free behind a base, as far as can be seen now.
const FREE_NUMBER = statement(`
SELECT CASE WHEN EXISTS (SELECT FROM organizations WHERE slug = $1) THEN 1 + coalesce((
    SELECT max(substring(slug FROM char_length($1) + 2)::int) FROM organizations
    WHERE slug LIKE $1 || '-%' AND substring(slug FROM char_length($1) + 2) ~ '^[1-9][0-9]{0,7}$'), 0)
  ELSE 0 END AS number`);

/** The n of the slug `base-n` to try first; 0 stands for the base itself. */
export async function findFreeSlugNumber(tx: SystemReader, base: string): Promise<number> {
  const [row] = await tx.rows<{ number: number }>(FREE_NUMBER, [base]);
  return row?.number ?? 0;
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

const OWN_TOTAL = statement(`
SELECT count(*)::int AS total FROM memberships m JOIN organizations o ON o.id = m.organization_id
WHERE m.user_id = $1 AND m.status = 'active' AND o.status = 'active'`);

export async function countOwnMemberships(tx: UserReader, userId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(OWN_TOTAL, [userId]);
  return row?.total ?? 0;
}
