// The queries with which operators and platform administrators read, suspend and activate organizations, and with which
// operators change subscriptions.

import { type Statement, type SystemReader, statement } from '../../base/database/db.ts';
import type { Page } from '../../base/platform/page.ts';
import type { Revoking } from '../../base/revoking/publish.ts';
import type { OrganizationRow, SubscriptionStatus } from '../../directory/organizations/current-store.ts';
import type { SubscriptionLimits } from '../../directory/organizations/store.ts';

export type OrganizationStatus = OrganizationRow['status'];

export interface AdministeredOrganization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: OrganizationStatus;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Null for an organization without a subscription. */
  readonly subscription: {
    readonly plan: string;
    readonly status: SubscriptionStatus;
    readonly trialEndsAt: string | null;
    readonly limits: SubscriptionLimits;
  } | null;
}

const COLUMNS = `
o.id, o.name, o.slug, o.status, o.created_at AS "createdAt", o.updated_at AS "updatedAt",
(SELECT json_build_object('plan', s.plan, 'status', s.status, 'limits', s.limits,
    'trialEndsAt', to_char(s.trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
  FROM subscriptions s WHERE s.organization_id = o.id) AS subscription`;

const FIND = statement(`SELECT ${COLUMNS} FROM organizations o WHERE o.id = $1::uuid AND o.deleted_at IS NULL`);

export async function findAdministeredOrganization(
  tx: SystemReader,
  organizationId: string,
): Promise<AdministeredOrganization | null> {
  const [row] = await tx.rows<AdministeredOrganization>(FIND, [organizationId]);
  return row ?? null;
}

// In byte order, a text with the prefix lies between the prefix and the prefix followed by the last Unicode character.
// The two search indexes are sorted in byte order. LIKE could use an index only if the pattern were known when the
// query is planned.
const startsWith = (lowered: string, wanted: string) =>
  `(${lowered} ~>=~ ${wanted} AND ${lowered} ~<=~ (${wanted} || chr(1114111)))`;
// A slug has only ASCII letters. For names, the collation of ICU changes the case of all letters, whatever the locale
// of the database is.
const FITS_PREFIX = [
  startsWith('lower(o.slug)', 'lower($1::text)'),
  startsWith('lower(o.name COLLATE "und-x-icu")', 'lower($1::text COLLATE "und-x-icu")'),
].join(' OR ');

// Each kind of search has its own statement. A single plan for all of them would read the whole table.
// $1 prefix or null, $2 status or null, $3 limit, $4 offset.
function search({ prefix, status }: { readonly prefix: boolean; readonly status: boolean }) {
  const wanted = [
    'o.deleted_at IS NULL',
    prefix ? `(${FITS_PREFIX})` : '$1::text IS NULL',
    status ? 'o.status = $2::text' : '$2::text IS NULL',
  ].join(' AND ');
  const total = `SELECT count(*)::int AS total FROM organizations o WHERE ${wanted}`;
  // The matches of a prefix are found first. Otherwise PostgreSQL would read organizations in the order of their ids
  // until enough of them match.
  const list = prefix
    ? `WITH fitting AS MATERIALIZED (SELECT * FROM organizations o WHERE ${wanted})
SELECT ${COLUMNS}, (SELECT count(*) FROM fitting)::int AS total FROM fitting o`
    : `SELECT ${COLUMNS}, (${total}) AS total FROM organizations o WHERE ${wanted}`;
  return {
    list: statement(`${list} ORDER BY o.id LIMIT $3::int OFFSET $4::int`),
    count: statement(total),
  };
}

const SEARCHES = {
  all: search({ prefix: false, status: false }),
  prefix: search({ prefix: true, status: false }),
  status: search({ prefix: false, status: true }),
  both: search({ prefix: true, status: true }),
} as const;

export interface OrganizationSearch {
  /** The beginning of the slug or the name, whatever the case of its letters. */
  readonly prefix: string | null;
  readonly status: OrganizationStatus | null;
}

function searchFor({ prefix, status }: OrganizationSearch): { list: Statement; count: Statement } {
  if (prefix !== null) return status === null ? SEARCHES.prefix : SEARCHES.both;
  return status === null ? SEARCHES.all : SEARCHES.status;
}

/** The organizations that match the filter, the oldest first. */
export function listAdministeredOrganizations(
  tx: SystemReader,
  asked: OrganizationSearch,
  { limit, offset }: Page,
): Promise<(AdministeredOrganization & { readonly total: number })[]> {
  return tx.rows(searchFor(asked).list, [asked.prefix, asked.status, limit, offset]);
}

export async function countAdministeredOrganizations(tx: SystemReader, asked: OrganizationSearch): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(searchFor(asked).count, [asked.prefix, asked.status]);
  return row?.total ?? 0;
}

// The instants of an organization's suspensions and activations always increase, even if the clock goes backwards. So
// all readers agree on which of them was the last.
// $1 organization, $2 status, $3 event, $4 actor, null for an operator.
const SET_STATUS = statement(`
WITH changed AS (
  UPDATE organizations SET status = $2::text, updated_at = clock_timestamp()
  WHERE id = $1::uuid AND status <> $2::text AND deleted_at IS NULL RETURNING id
),
announced AS (
  INSERT INTO revocations (id, kind, subject, state, at)
  SELECT gen_random_uuid(), 'organization', id, $2::text, greatest(clock_timestamp(),
    (SELECT max(r.at) + interval '1 microsecond' FROM revocations r WHERE r.kind = 'organization' AND r.subject = changed.id))
  FROM changed RETURNING at
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id)
  SELECT $3::uuid, id, CASE $2::text WHEN 'active' THEN 'organization.activated' ELSE 'organization.suspended' END,
    $4::uuid, id FROM changed
)
SELECT (extract(epoch FROM at) * 1000)::float8 AS at FROM announced`);

export interface StatusChange {
  readonly organizationId: string;
  readonly status: OrganizationStatus;
  readonly eventId: string;
  /** Null for an operator who uses the command line. */
  readonly actorId: string | null;
}

/**
 * Sets the status, and writes the event and the revocation. `changed` is false when the organization already had the
 * status.
 */
export async function updateOrganizationStatus(
  tx: SystemReader,
  change: StatusChange,
): Promise<Revoking & { readonly changed: boolean }> {
  const { organizationId: org, status: state } = change;
  const rows = await tx.rows<{ at: number }>(SET_STATUS, [
    change.organizationId,
    change.status,
    change.eventId,
    change.actorId,
  ]);
  return { changed: rows.length > 0, revocations: rows.map(({ at }) => ({ kind: 'organization', org, state, at })) };
}

// A null value means no change. A limit that `limits` does not name does not change either.
// $1 organization, $2 plan, $3 status, $4 end of the trial, $5 limits as JSON, $6 event.
const SET_SUBSCRIPTION = statement(`
WITH changed AS (
  UPDATE subscriptions SET plan = coalesce($2::text, plan), status = coalesce($3::text, status),
    trial_ends_at = coalesce($4::timestamptz, trial_ends_at), limits = limits || $5::text::jsonb,
    updated_at = clock_timestamp()
  WHERE organization_id = $1::uuid AND (plan, status, trial_ends_at, limits) IS DISTINCT FROM
    (coalesce($2::text, plan), coalesce($3::text, status), coalesce($4::timestamptz(3), trial_ends_at),
      limits || $5::text::jsonb)
  RETURNING organization_id, plan, status, trial_ends_at, limits
),
recorded AS (
  INSERT INTO events (id, organization_id, type, target_id, data)
  SELECT $6::uuid, organization_id, 'subscription.changed', organization_id,
    jsonb_build_object('plan', plan, 'status', status, 'limits', limits,
      'trialEndsAt', to_char(trial_ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) FROM changed
)
SELECT organization_id FROM changed`);

export interface SubscriptionChange {
  readonly plan?: string | undefined;
  readonly status?: SubscriptionStatus | undefined;
  readonly trialEndsAt?: Date | undefined;
  readonly limits?: { readonly [Name in keyof SubscriptionLimits]?: number | undefined } | undefined;
}

/** Changes the given fields of a subscription and records the event. Returns false when nothing changed. */
export async function updateSubscription(
  tx: SystemReader,
  organizationId: string,
  change: SubscriptionChange,
  eventId: string,
): Promise<boolean> {
  const { plan, status, trialEndsAt, limits } = change;
  const values = [plan ?? null, status ?? null, trialEndsAt?.toISOString() ?? null, JSON.stringify(limits ?? {})];
  return (await tx.rows(SET_SUBSCRIPTION, [organizationId, ...values, eventId])).length > 0;
}
