// Founds an organization within a transaction: the organization with a free slug, its owner and its trial.

import { record } from '../events/record.ts';
import { deriveSlug, numberedSlug } from '../organizations/slug.ts';
import {
  findFreeSlugNumber,
  insertOrganization,
  insertSubscription,
  type SubscriptionLimits,
} from '../organizations/store.ts';
import type { Clock } from '../platform/clock.ts';
import type { OrganizationTx, SystemReader, SystemTx } from '../platform/db.ts';
import { newId, type Random } from '../platform/random.ts';
import { findSystemRole } from '../roles/store.ts';
import { insertAssignment, insertMembership } from './store.ts';

export interface FoundingDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trialDays: number;
  readonly trialLimits: SubscriptionLimits;
}

export interface Founding {
  readonly organizationId: string;
  readonly ownerId: string;
  readonly name: string;
  readonly slug: SlugChoice;
}

/** Asked for explicitly: then it is that one or none. Otherwise the first free one of `base`, `base-1`, … */
export type SlugChoice = { readonly wanted: string } | { readonly base: string; readonly firstNumber: number };

/** Settles, ahead of the transaction, where the search for a free slug begins. */
export async function chooseSlug(tx: SystemReader, name: string, wanted: string | null): Promise<SlugChoice> {
  if (wanted !== null) return { wanted };
  const base = deriveSlug(name);
  return { base, firstNumber: await findFreeSlugNumber(tx, base) };
}

export interface FoundedSubscription {
  readonly plan: string;
  readonly status: 'trialing';
  readonly trialEndsAt: string;
  readonly limits: SubscriptionLimits;
}

export interface Founded {
  readonly organization: { readonly id: string; readonly name: string; readonly slug: string };
  readonly subscription: FoundedSubscription;
}

const DAY_MS = 86_400_000;
const ATTEMPTS_MAX = 40;

/** Writes everything an organization begins with, or gives null when the slug asked for is taken. */
export async function foundOrganization(
  deps: FoundingDeps,
  tx: OrganizationTx | SystemTx,
  founding: Founding,
): Promise<Founded | null> {
  const { organizationId, ownerId, name } = founding;
  const slug = await insertWithFreeSlug(deps, tx, founding);
  if (slug === null) return null;
  const owner = await findSystemRole(tx, 'owner');
  if (!owner) throw new Error('The system role "owner" is missing: apply a role preset');
  const trialEndsAt = new Date(deps.clock.now().getTime() + deps.trialDays * DAY_MS);
  const subscription = { plan: 'trial', status: 'trialing', trialEndsAt, limits: deps.trialLimits } as const;
  await insertSubscription(tx, { organizationId, ...subscription });
  await insertMembership(tx, { organizationId, userId: ownerId });
  await insertAssignment(tx, {
    id: newId(deps.random, deps.clock),
    organizationId,
    userId: ownerId,
    roleId: owner.id,
    roleOwnerKey: owner.ownerKey,
  });
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'organization.created',
    organizationId,
    actorId: ownerId,
    targetId: organizationId,
    data: { slug },
  });
  return {
    organization: { id: organizationId, name, slug },
    subscription: { ...subscription, trialEndsAt: trialEndsAt.toISOString() },
  };
}

// Two foundings at once meet in the unique index: the loser waits for the winner and takes the next number, and after
// many collisions a random one.
async function insertWithFreeSlug(
  deps: FoundingDeps,
  tx: OrganizationTx | SystemTx,
  { organizationId: id, name, slug: choice }: Founding,
): Promise<string | null> {
  if ('wanted' in choice) {
    return (await insertOrganization(tx, { id, name, slug: choice.wanted })) ? choice.wanted : null;
  }
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const number = attempt < ATTEMPTS_MAX / 2 ? choice.firstNumber + attempt : deps.random.bytes(4).readUInt32BE();
    const slug = numberedSlug(choice.base, number);
    if (await insertOrganization(tx, { id, name, slug })) return slug;
  }
  throw new Error('No free slug was found');
}
