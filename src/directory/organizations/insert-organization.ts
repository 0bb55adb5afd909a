// Writes a new organization within a transaction: the organization with a free slug, its first owner and its trial.
// create-organization.ts, the registration, the operator's command and the seed all use this file.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { insertAssignments } from '../members/assignment-store.ts';
import { isRoleGone } from '../members/resolve-roles.ts';
import { insertMembership } from '../members/store.ts';
import { countOwners } from '../rights/store.ts';
import { findOwnershipRole } from '../roles/store.ts';
import { deriveSlug, numberedSlug } from './slug.ts';
import {
  insertOrganizationRow,
  insertSubscription,
  listFreeSlugNumbers,
  lockSlugs,
  type SubscriptionLimits,
} from './store.ts';

export interface InsertOrganizationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trialDays: number;
  readonly trialLimits: SubscriptionLimits;
}

export interface OrganizationToInsert {
  readonly organizationId: string;
  readonly ownerId: string;
  /** The user who creates the organization, or null for an operator. */
  readonly actorId: string | null;
  readonly name: string;
  readonly slug: SlugChoice;
}

/**
 * `wanted` is a slug that the caller requests. If the slug is taken, no organization is created. Without `wanted`, a
 * free slug is made from `base`.
 */
export type SlugChoice =
  | { readonly wanted: string }
  | {
      readonly base: string;
      /** The slug that was free when it was last checked. */
      readonly first: string;
      readonly others: readonly string[];
    };

// How many slugs that look free are tried. Each of them may be taken by a transaction that is not committed yet.
const CANDIDATES = 100;
// Limits the search, which takes a few milliseconds for each thousand organizations of one name.
const SLUG_NUMBER_MAX = 10_000;
// How many slugs with a large random number are tried when the numbered slugs are used up.
const RANDOM_CANDIDATES = 10;

/** Chooses the slug before the transaction: the wanted slug, or the first free slug of `base`, `base-1`, `base-2`, … */
export async function chooseSlug(
  deps: { readonly db: Database; readonly random: Random },
  name: string,
  wanted: string | null,
): Promise<SlugChoice> {
  if (wanted !== null) return { wanted };
  const base = deriveSlug(name);
  const [free] = await listFreeSlugNumbers(deps.db.systemReader(), base, { count: 1, numberMax: SLUG_NUMBER_MAX });
  const random = () => numberedSlug(base, deps.random.bytes(4).readUInt32BE());
  const others = Array.from({ length: RANDOM_CANDIDATES }, random);
  return { base, first: free === undefined ? random() : numberedSlug(base, free), others };
}

export interface TrialSubscription {
  readonly plan: string;
  readonly status: 'trialing';
  readonly trialEndsAt: string;
  readonly limits: SubscriptionLimits;
}

export interface CreatedOrganization {
  readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
  readonly subscription: TrialSubscription;
}

const DAY_MS = 86_400_000;

/** Writes the organization with its owner, its trial and its event. Returns null when the wanted slug is taken. */
export async function insertOrganization(
  deps: InsertOrganizationDeps,
  tx: SystemTx,
  toCreate: OrganizationToInsert,
): Promise<CreatedOrganization | null> {
  const { organizationId, ownerId, actorId, name } = toCreate;
  const slug = await insertWithFreeSlug(tx, toCreate);
  if (slug === null) return null;
  const owner = await findOwnershipRole(tx);
  if (!owner) throw new Error('No system role gives ownership: run tenantry seed --no-demo, or start the service once');
  const trialEndsAt = new Date(deps.clock.now().getTime() + deps.trialDays * DAY_MS);
  const subscription = { plan: 'trial', status: 'trialing', trialEndsAt, limits: deps.trialLimits } as const;
  await insertSubscription(tx, { organizationId, ...subscription });
  await insertMembership(tx, { organizationId, userId: ownerId });
  const id = newId(deps.random, deps.clock);
  const assignment = { id, organizationId, userId: ownerId, roleId: owner.id, roleOwnerKey: owner.ownerKey, scope: {} };
  // A preset that was applied at the same moment may have removed the role, or its ownership.
  const presetChanged = () => problem('service_busy', { retryAfterSeconds: 1, isUnchanged: true });
  await insertAssignments(tx, [assignment]).catch((error: unknown) => {
    throw isRoleGone(error) ? presetChanged() : error;
  });
  if ((await countOwners(tx, organizationId)) === 0) throw presetChanged();
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'organization.created',
    organizationId,
    actorId,
    targetId: organizationId,
    data: { slug },
  });
  return {
    organization: { id: organizationId, name, slug },
    subscription: { ...subscription, trialEndsAt: trialEndsAt.toISOString() },
  };
}

// When two transactions insert the same slug, the second transaction waits at the unique index until the first has
// ended. Then the second transaction takes a lock on the slugs of this base and searches for a free slug again. Without
// that lock, many transactions at the same moment would try the same slugs in the same order, and would wait for each
// other again at each slug.
async function insertWithFreeSlug(
  tx: SystemTx,
  { organizationId: id, name, slug: choice }: OrganizationToInsert,
): Promise<string | null> {
  if ('wanted' in choice) {
    return (await insertOrganizationRow(tx, { id, name, slug: choice.wanted })) ? choice.wanted : null;
  }
  const { base, first, others } = choice;
  if (await insertOrganizationRow(tx, { id, name, slug: first })) return first;
  await lockSlugs(tx, base);
  const free = await listFreeSlugNumbers(tx, base, { count: CANDIDATES, numberMax: SLUG_NUMBER_MAX });
  for (const slug of [...free.map((number) => numberedSlug(base, number)), ...others]) {
    if (await insertOrganizationRow(tx, { id, name, slug })) return slug;
  }
  throw new Error('No free slug was found');
}
