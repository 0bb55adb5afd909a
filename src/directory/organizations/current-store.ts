// The queries of the organization for which a caller acts, and of its subscription.
import { type OrganizationReader, type SystemReader, statement } from '../../base/database/db.ts';
import type { SubscriptionLimits } from './store.ts';

export interface OrganizationRow {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: 'active' | 'suspended';
  readonly settings: Readonly<Record<string, unknown>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const FIND = statement(`
SELECT id, name, slug, status, settings, created_at AS "createdAt", updated_at AS "updatedAt"
FROM organizations WHERE id = $1::uuid`);

export async function findOrganization(
  tx: OrganizationReader,
  organizationId: string,
): Promise<OrganizationRow | null> {
  const [row] = await tx.rows<OrganizationRow>(FIND, [organizationId]);
  return row ?? null;
}

// A null value means no change.
// $1 organization, $2 name, $3 settings as JSON, $4 event, $5 the user who changes it.
const UPDATE = statement(`
WITH old AS (SELECT id, name, settings FROM organizations WHERE id = $1::uuid FOR NO KEY UPDATE),
changed AS (
  UPDATE organizations o SET name = coalesce($2::text, old.name), settings = coalesce($3::text::jsonb, old.settings),
    updated_at = clock_timestamp()
  FROM old WHERE o.id = old.id
    AND (old.name, old.settings) IS DISTINCT FROM (coalesce($2::text, old.name), coalesce($3::text::jsonb, old.settings))
  RETURNING o.id, array_remove(ARRAY[
    CASE WHEN o.name <> old.name THEN 'name' END, CASE WHEN o.settings <> old.settings THEN 'settings' END], NULL) AS fields
)
INSERT INTO events (id, organization_id, type, actor_id, target_id, data)
SELECT $4::uuid, id, 'organization.changed', $5::uuid, id, jsonb_build_object('changed', fields) FROM changed`);

export interface OrganizationChange {
  readonly organizationId: string;
  readonly name: string | null;
  readonly settings: Readonly<Record<string, unknown>> | null;
  readonly eventId: string;
  readonly actorId: string;
}

/**
 * Changes the name and the settings if they are not null, and records the event. If nothing changes, nothing is
 * written.
 */
export async function updateOrganization(tx: OrganizationReader, change: OrganizationChange): Promise<void> {
  const { organizationId, name, settings, eventId, actorId } = change;
  const document = settings === null ? null : JSON.stringify(settings);
  await tx.rows(UPDATE, [organizationId, name, document, eventId, actorId]);
}

export type SubscriptionStatus = 'trialing' | 'active' | 'past_due' | 'canceled';

export interface SubscriptionRow {
  readonly plan: string;
  readonly status: SubscriptionStatus;
  readonly trialEndsAt: Date | null;
  readonly trialExpired: boolean;
  readonly limits: SubscriptionLimits;
  readonly teamMembers: number;
  readonly pendingInvitations: number;
}

const SUBSCRIPTION = statement(`
SELECT s.plan, s.status, s.trial_ends_at AS "trialEndsAt", s.limits,
  s.status = 'trialing' AND coalesce(s.trial_ends_at <= clock_timestamp(), false) AS "trialExpired",
  (SELECT count(*)::int FROM memberships m WHERE m.organization_id = s.organization_id) AS "teamMembers",
  (SELECT count(*)::int FROM invitations i WHERE i.organization_id = s.organization_id
    AND i.status = 'pending' AND i.expires_at > clock_timestamp()) AS "pendingInvitations"
FROM subscriptions s WHERE s.organization_id = $1::uuid`);

/**
 * The subscription with its current usage. The database's clock decides whether the trial and invitations have expired.
 */
export async function findSubscription(
  tx: OrganizationReader | SystemReader,
  organizationId: string,
): Promise<SubscriptionRow | null> {
  const [row] = await tx.rows<SubscriptionRow>(SUBSCRIPTION, [organizationId]);
  return row ?? null;
}
