// A user becomes a member, within the transaction of what made them one.

import type { SystemTx } from '../../base/database/db.ts';
import type { EventData } from '../../base/events/catalogue.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { assignRoles } from './assign-roles.ts';
import type { ScopedRole } from './resolve-roles.ts';
import { insertMembership } from './store.ts';

export interface Joining {
  readonly organizationId: string;
  readonly userId: string;
  /** Who did it; null for an operator. */
  readonly actorId: string | null;
  readonly roles: readonly ScopedRole[];
  /** What the event says of how it came about. */
  readonly data: EventData<'member.joined'>;
}

/**
 * Writes the membership with its assignments. The caller holds the organization's lock, and has judged that the user is
 * no member yet and may have these roles. Raises not_found when one of them has just been removed.
 */
export async function joinOrganization(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  { organizationId, userId, actorId, roles, data }: Joining,
): Promise<void> {
  await insertMembership(tx, { organizationId, userId });
  await assignRoles(deps, tx, { organizationId, userId }, roles);
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'member.joined',
    organizationId,
    actorId,
    targetId: userId,
    data,
  });
}
