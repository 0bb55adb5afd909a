// Deletes an organization for an operator, whatever its status and its members.
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import { publishing } from '../../base/revoking/publish.ts';
import type { DeleteOrganizationDeps } from '../../directory/organizations/delete-organization.ts';
import { markDeleted } from '../../directory/organizations/delete-store.ts';
import { removeDeleted } from '../../directory/organizations/remove-deleted.ts';
import { lockOrganization } from '../../directory/rights/store.ts';

/**
 * Deletes the organization with everything that belongs to it, and removes its rows. If the removal is interrupted, the
 * service removes the rest. Raises not_found.
 */
export async function deleteForOperator(
  deps: DeleteOrganizationDeps,
  { id, slug }: { readonly id: string; readonly slug: string },
): Promise<void> {
  const commit = deps.db.system(
    async (tx) => {
      if ((await lockOrganization(tx, id)) === null) throw problem('not_found');
      const event = { type: 'organization.deleted', organizationId: id, actorId: null, targetId: id } as const;
      await record(tx, { id: newId(deps.random, deps.clock), ...event, data: { slug } });
      return markDeleted(tx, id);
    },
    { organizationId: id },
  );
  await publishing(deps, commit);
  await removeDeleted(deps, id);
}
