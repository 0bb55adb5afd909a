// Makes a user a member of an organization, within the caller's transaction.

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
  /** The user who made this change, or null for an operator. */
  readonly actorId: string | null;
  readonly roles: readonly ScopedRole[];
  /** The data of the event. It says how the user became a member. */
  readonly data: EventData<'member.joined'>;
}

/**
 * Writes the membership with its assignments. The caller holds the organization's lock, and has checked that the user
 * is not yet a member and may have these roles. Raises not_found when one of these roles was removed at the same
 * moment.
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
