// Deletes an organization, for a member with the permission. remove-deleted.ts removes its rows.

import type { Database } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import { lockAndAuthorize } from '../rights/lock-and-authorize.ts';
import { getOrganizationIn, type Organization } from './current.ts';
import { markDeleted } from './delete-store.ts';
import { removeDeletedForRequest } from './remove-deleted.ts';

export interface DeleteOrganizationDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Deletes the caller's organization with everything that belongs to it. From then on nobody finds it, and its access
 * tokens are refused. The sessions of its members stay open and act for no organization. Its events remain recorded.
 * The rows of a large organization are removed later. Raises the errors of lockAndAuthorize, and precondition_failed.
 */
export async function deleteOrganization(
  deps: DeleteOrganizationDeps,
  caller: OrganizationCaller,
  assertVersion: AssertVersion<Organization> = anyVersion,
): Promise<void> {
  const { organizationId } = caller;
  const commit = deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
    await lockAndAuthorize(tx, caller, 'organization:delete');
    await assertVersion(() => getOrganizationIn(tx, organizationId));
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'organization.deleted',
      organizationId,
      actorId: caller.id,
      targetId: organizationId,
      data: { slug: caller.organizationSlug },
    });
    return markDeleted(tx, organizationId);
  });
  await publishing(deps, commit);
  await removeDeletedForRequest(deps, [organizationId]);
}
