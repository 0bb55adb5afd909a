// The organization that the caller acts for: reading it, changing its name and settings, and its subscription. Its end
// is in members/delete-organization.ts.

import type { Database, OrganizationReader, SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type OrganizationCaller, type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import { findOrganization, findSubscription, updateOrganization } from './current-store.ts';

export interface OrganizationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

function readerOf(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  return deps.db.organizationReader(scopeOf(caller));
}

/** The caller's organization. Raises not_found when it has just been deleted. */
export async function getOrganization(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  const row = await findOrganization(readerOf(deps, caller), caller.organizationId);
  if (!row) throw problem('not_found');
  return { ...row, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
}

export interface ChangeOrganization {
  readonly name?: string | undefined;
  /** Replaces the settings as a whole. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/** Changes what is given and leaves the rest; a change that changes nothing writes nothing. Raises not_found. */
export async function changeOrganization(
  deps: OrganizationDeps,
  caller: OrganizationCaller,
  input: ChangeOrganization,
) {
  await updateOrganization(readerOf(deps, caller), {
    organizationId: caller.organizationId,
    name: input.name ?? null,
    settings: input.settings ?? null,
    eventId: newId(deps.random, deps.clock),
    actorId: caller.id,
  });
  return getOrganization(deps, caller);
}

/** Plan, limits, and what is used of those that are counted here. Raises not_found. */
export function getSubscription(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  return readSubscription(readerOf(deps, caller), caller.organizationId);
}

/** The same for whoever may read it. Raises not_found. */
export async function readSubscription(reader: OrganizationReader | SystemReader, organizationId: string) {
  const row = await findSubscription(reader, organizationId);
  if (!row) throw problem('not_found', { detail: 'This organization has no subscription.' });
  const { teamMembers, pendingInvitations, trialEndsAt, ...subscription } = row;
  return {
    ...subscription,
    trialEndsAt: trialEndsAt?.toISOString() ?? null,
    usage: { teamMembers, pendingInvitations },
  };
}
