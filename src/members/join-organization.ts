// A user becomes a member, within the transaction of what made them one.
import { record } from '../events/record.ts';
import type { Clock } from '../platform/clock.ts';
import type { SystemTx } from '../platform/db.ts';
import { newId, type Random } from '../platform/random.ts';
import { insertAssignments } from './assignment-store.ts';
import type { ChosenRole } from './choose-roles.ts';
import { insertMembership } from './store.ts';

export interface Joining {
  readonly organizationId: string;
  readonly userId: string;
  readonly roles: readonly ChosenRole[];
  /** What the event says of how it came about. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * Writes the membership with its assignments. The caller holds the organization's lock, and has judged that the user is
 * no member yet and may have these roles.
 */
export async function joinOrganization(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  { organizationId, userId, roles, data }: Joining,
): Promise<void> {
  await insertMembership(tx, { organizationId, userId });
  await insertAssignments(
    tx,
    roles.map(({ id: roleId, ownerKey: roleOwnerKey, scope }) => ({
      id: newId(deps.random, deps.clock),
      organizationId,
      userId,
      roleId,
      roleOwnerKey,
      scope,
    })),
  );
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'member.joined',
    organizationId,
    actorId: userId,
    targetId: userId,
    data,
  });
}
