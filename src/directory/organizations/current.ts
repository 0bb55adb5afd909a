// The organization for which the caller acts. This file reads the organization and its subscription, and changes its
// name and settings. delete-organization.ts deletes it.

import type { Database, OrganizationReader, SystemReader } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type OrganizationCaller, type OrganizationPrincipal, scopeOf } from '../../protocol/caller.ts';
import { lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { findOrganization, findSubscription, type OrganizationRow, updateOrganization } from './current-store.ts';
import { exceedsSize, mergeSettings } from './settings.ts';

export interface OrganizationDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

function readerOf(deps: OrganizationDeps, caller: OrganizationPrincipal) {
  return deps.db.organizationReader(scopeOf(caller));
}

/** The caller's organization. Raises not_found when it was deleted at the same moment. */
export function getOrganization(deps: OrganizationDeps, caller: OrganizationPrincipal): Promise<Organization> {
  return getOrganizationIn(readerOf(deps, caller), caller.organizationId);
}

/** Does the same as getOrganization with a given reader, such as a transaction. */
export async function getOrganizationIn(reader: OrganizationReader, organizationId: string): Promise<Organization> {
  const row = await findOrganization(reader, organizationId);
  if (!row) throw problem('not_found');
  return toOrganization(row);
}

/** An organization as its members see it. Instants are in ISO 8601 format and in UTC. */
export interface Organization extends Omit<OrganizationRow, 'createdAt' | 'updatedAt'> {
  readonly createdAt: string;
  readonly updatedAt: string;
}

function toOrganization(row: OrganizationRow): Organization {
  return { ...row, createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
}

export interface ChangeOrganization {
  readonly name?: string | undefined;
  /** Merged into the current settings: see settings.ts. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Changes the given fields. If the organization already has the requested state, nothing is written. Changes at the
 * same moment run one after another, so each is merged into the result of the one before. Raises the errors of
 * lockAndAuthorize, not_found, precondition_failed, and validation_failed for merged settings that are too large.
 */
export function changeOrganization(
  deps: OrganizationDeps,
  caller: OrganizationCaller,
  input: ChangeOrganization,
  assertVersion: AssertVersion<Organization> = anyVersion,
): Promise<Organization> {
  const { organizationId } = caller;
  return deps.db.organization(scopeOf(caller), async (tx) => {
    await lockAndAuthorize(tx, caller, 'organization:update');
    const old = await findOrganization(tx, organizationId);
    if (!old) throw problem('not_found');
    await assertVersion(() => toOrganization(old));
    const settings = input.settings === undefined ? null : mergeSettings(old.settings, input.settings);
    const tooLarge = settings && exceedsSize(settings);
    if (tooLarge) throw invalid('settings', tooLarge);
    const eventId = newId(deps.random, deps.clock);
    await updateOrganization(tx, { organizationId, name: input.name ?? null, settings, eventId, actorId: caller.id });
    return getOrganizationIn(tx, organizationId);
  });
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
