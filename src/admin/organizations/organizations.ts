// Operators and platform administrators list, read, suspend and activate organizations. Only operators change
// subscriptions. Everything here runs in the system scope, across all organizations.

import type { Database, SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { findOrganizationId } from '../../directory/organizations/store.ts';
import { lockOrganization } from '../../directory/rights/store.ts';
import type { SessionOwner } from '../../directory/users/live-session.ts';
import { assertAdministrator } from '../administrators/administrators.ts';
import {
  type AdministeredOrganization,
  countAdministeredOrganizations,
  findAdministeredOrganization,
  listAdministeredOrganizations,
  type OrganizationSearch,
  type OrganizationStatus,
  type SubscriptionChange,
  updateOrganizationStatus,
  updateSubscription,
} from './store.ts';
import { requestSuspendedMails } from './suspended-mail.ts';

export interface AdministrationDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * An organization as operators and platform administrators see it, without its settings. Instants are in ISO 8601
 * format and in UTC.
 */
export interface Administered extends Omit<AdministeredOrganization, 'createdAt' | 'updatedAt'> {
  readonly createdAt: string;
  readonly updatedAt: string;
}

function toAdministered(row: AdministeredOrganization): Administered {
  const { id, name, slug, status, subscription } = row;
  const [createdAt, updatedAt] = [row.createdAt.toISOString(), row.updatedAt.toISOString()];
  return { id, name, slug, status, subscription, createdAt, updatedAt };
}

/**
 * The organizations whose slug or name begins with `prefix` and that have this status, the oldest first. Null adds no
 * condition.
 */
export async function listOrganizations(
  deps: Pick<AdministrationDeps, 'db'>,
  asked: OrganizationSearch,
  page: Page,
): Promise<Paged<Administered>> {
  const reader = deps.db.systemReader({ bulk: true });
  return paged(await listAdministeredOrganizations(reader, asked, page), page, {
    toItem: toAdministered,
    countAll: () => countAdministeredOrganizations(reader, asked),
  });
}

/** The organization with this id or slug, in any status. Raises not_found. */
export async function getOrganizationByReference(
  deps: Pick<AdministrationDeps, 'db'>,
  reference: string,
): Promise<Administered> {
  const reader = deps.db.systemReader();
  return getAdministered(reader, await findOrganizationId(reader, reference.toLowerCase()));
}

async function getAdministered(reader: SystemReader, id: string | null): Promise<Administered> {
  const row = id && (await findAdministeredOrganization(reader, id));
  if (!row) throw problem('not_found', { detail: 'There is no such organization: check its id or slug.' });
  return toAdministered(row);
}

/**
 * Suspends the organization (id or slug). From then on nobody can sign in to it or refresh a token for it, and the
 * guard refuses its tokens. A second call changes nothing. `actor` is null for an operator. Raises not_found, and the
 * errors of assertAdministrator.
 */
export function suspendOrganization(
  deps: AdministrationDeps,
  reference: string,
  actor: SessionOwner | null,
  assertVersion: AssertVersion<Administered> = anyVersion,
) {
  return setStatus(deps, reference, { status: 'suspended', actor, assertVersion });
}

/**
 * Activates a suspended organization (id or slug). Those of its tokens that have neither expired nor been revoked
 * otherwise work again. Raises not_found, and the errors of assertAdministrator.
 */
export function activateOrganization(
  deps: AdministrationDeps,
  reference: string,
  actor: SessionOwner | null,
  assertVersion: AssertVersion<Administered> = anyVersion,
) {
  return setStatus(deps, reference, { status: 'active', actor, assertVersion });
}

export interface StatusChanged {
  readonly organization: Administered;
  /** False when the organization already had that status. */
  readonly changed: boolean;
}

async function setStatus(
  deps: AdministrationDeps,
  reference: string,
  { status, actor, assertVersion }: StatusWanted,
): Promise<StatusChanged> {
  const { id: organizationId } = await getOrganizationByReference(deps, reference);
  const change = { organizationId, status, eventId: newId(deps.random, deps.clock), actorId: actor?.id ?? null };
  const commit = deps.db.system(async (tx) => {
    // The organization is locked before the session, as in other transactions that lock both.
    await lockOrganization(tx, organizationId);
    if (actor) await assertAdministrator(tx, actor);
    await assertVersion(() => getAdministered(tx, organizationId));
    const { changed, revocations } = await updateOrganizationStatus(tx, change);
    if (changed && status === 'suspended') await requestSuspendedMails(deps, tx, organizationId);
    return { changed, revocations, organization: await getAdministered(tx, organizationId) };
  });
  const { organization, changed } = await publishing(deps, commit);
  return { organization, changed };
}

interface StatusWanted {
  readonly status: OrganizationStatus;
  readonly actor: SessionOwner | null;
  readonly assertVersion: AssertVersion<Administered>;
}

export interface SubscriptionChanged {
  readonly organization: Administered;
  readonly changed: boolean;
}

/**
 * Changes the given fields of an organization's subscription (id or slug). A limit below the current usage removes
 * nothing. It only prevents further additions. Raises not_found.
 */
export async function setSubscription(
  deps: Omit<AdministrationDeps, 'publish'>,
  reference: string,
  change: SubscriptionChange,
): Promise<SubscriptionChanged> {
  const { id, subscription } = await getOrganizationByReference(deps, reference);
  if (!subscription) throw problem('not_found', { detail: 'This organization has no subscription.' });
  const eventId = newId(deps.random, deps.clock);
  const changed = await updateSubscription(deps.db.systemReader(), id, change, eventId);
  return { organization: await getOrganizationByReference(deps, id), changed };
}
