// The organization for which the caller acts. This file reads the organization and its subscription, and changes its
// name and settings. delete-organization.ts deletes it.

import type { Database, OrganizationReader, SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type OrganizationCaller, type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import { lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { findOrganization, findSubscription, updateOrganization } from './current-store.ts';

export interface OrganizationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

function readerOf(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  return deps.db.organizationReader(scopeOf(caller));
}

/** The caller's organization. Raises not_found when it was deleted at the same moment. */
export async function getOrganization(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  const row = await findOrganization(readerOf(deps, caller), caller.organizationId);
  if (!row) throw problem('not_found');
  return { ...row, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
}

export interface ChangeOrganization {
  readonly name?: string | undefined;
  /** The new settings. They replace all former settings. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Changes the given fields. If the change asks for the present state, nothing is written. Raises the errors of
 * lockAndAuthorize.
 */
export async function changeOrganization(
  deps: OrganizationDeps,
  caller: OrganizationCaller,
  input: ChangeOrganization,
) {
  const { organizationId } = caller;
  const eventId = newId(deps.random, deps.clock);
  await deps.db.organization(scopeOf(caller), async (tx) => {
    await lockAndAuthorize(tx, caller, 'organization:update');
    const { name = null, settings = null } = input;
    await updateOrganization(tx, { organizationId, name, settings, eventId, actorId: caller.id });
  });
  return getOrganization(deps, caller);
}

/** The plan, the limits, and the usage that Tenantry counts. Raises not_found. */
export function getSubscription(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  return readSubscription(readerOf(deps, caller), caller.organizationId);
}

/**
 * Does the same as getSubscription, with a reader of any scope. The caller has checked the permission. Raises
 * not_found.
 */
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
