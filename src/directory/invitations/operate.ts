// Lists the invitations of an organization, and revokes one of them, for operators.
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { lockOrganization } from '../rights/store.ts';
import { type Invitation, NO_SUCH, toInvitation } from './invitations.ts';
import { countInvitations, type InvitationRow, listInvitationRows, markRevoked } from './store.ts';

/** The invitations of the organization, the newest first. */
export async function listForOperator(
  { db }: { readonly db: Database },
  organizationId: string,
  query: Page & { readonly status: InvitationRow['status'] | null },
): Promise<Paged<Invitation>> {
  const reader = db.organizationReader({ organizationId }, { bulk: true });
  return paged(await listInvitationRows(reader, organizationId, query), query, {
    toItem: toInvitation,
    countAll: () => countInvitations(reader, organizationId, query.status),
  });
}

/** Revokes a pending or expired invitation of the organization. Raises not_found for any other invitation. */
export async function revokeForOperator(
  deps: { readonly db: Database; readonly clock: Clock; readonly random: Random },
  organizationId: string,
  id: string,
): Promise<void> {
  await deps.db.system(
    async (tx) => {
      await lockOrganization(tx, organizationId);
      if (!(await markRevoked(tx, organizationId, id))) throw problem('not_found', NO_SUCH);
      const event = { type: 'invitation.revoked', organizationId, actorId: null, targetId: id } as const;
      await record(tx, { id: newId(deps.random, deps.clock), ...event });
    },
    { organizationId },
  );
}
