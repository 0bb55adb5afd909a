// Founds an organization within a transaction: the organization with a free slug, its owner and its trial.

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
  /** Who did it; null for an operator. */
  readonly actorId: string | null;
  readonly name: string;
  readonly slug: SlugChoice;
}

/** Asked for explicitly: then it is that one or none. Otherwise the first one that is free of those made of `base`. */
export type SlugChoice =
  | { readonly wanted: string }
  | {
      readonly base: string /** Free when it was looked at. */;
      readonly first: string;
      readonly others: readonly string[];
    };

// As many foundings of one name may be under way, each with a slug that nobody sees taken yet.
const CANDIDATES = 100;
// Bounds the search, at some milliseconds per thousand of one name.
const SLUG_NUMBER_MAX = 10_000;
// Past both, numbers nobody counts up to.
const RANDOM_CANDIDATES = 10;

/** Settles, ahead of the transaction, the slug: the one wanted, or the first free one of `base`, `base-1`, `base-2`, … */
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

/** Writes everything an organization begins with, or gives null when the slug asked for is taken. */
export async function insertOrganization(
  deps: InsertOrganizationDeps,
  tx: SystemTx,
  toCreate: OrganizationToInsert,
): Promise<CreatedOrganization | null> {
  const { organizationId, ownerId, actorId, name } = toCreate;
  const slug = await insertWithFreeSlug(tx, toCreate);
  if (slug === null) return null;
  const owner = await findOwnershipRole(tx);
  if (!owner) throw new Error('No system role makes owners: run tenantry seed --no-demo, or start the service once');
  const trialEndsAt = new Date(deps.clock.now().getTime() + deps.trialDays * DAY_MS);
  const subscription = { plan: 'trial', status: 'trialing', trialEndsAt, limits: deps.trialLimits } as const;
  await insertSubscription(tx, { organizationId, ...subscription });
  await insertMembership(tx, { organizationId, userId: ownerId });
  const id = newId(deps.random, deps.clock);
  const assignment = { id, organizationId, userId: ownerId, roleId: owner.id, roleOwnerKey: owner.ownerKey, scope: {} };
  // A preset that was being applied at the same moment may have removed the role, or taken the ownership from it.
  const presetChanged = () => problem('service_busy', { retryAfterSeconds: 1 });
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

// Two foundings at once meet in the unique index: the loser waits for the winner's end. Then it looks again, one loser
// after the other: if all of a crowd tried slug after slug at once, each would meet all that the others took.
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
