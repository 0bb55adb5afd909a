// The limit of team members. Members of any status and pending invitations count. Call these checks under the
// organization's lock.

import type { OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { countSeats } from './store.ts';

/**
 * Raises team_member_limit when no seat is left to invite this canonical e-mail. An existing invitation of this
 * e-mail does not count.
 */
export async function assertSeat(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  emailKey: string,
): Promise<void> {
  const { limit, members, pending } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + pending + 1 > limit) throw problem('team_member_limit');
}

/**
 * Raises team_member_limit when no seat is left for one more member. Other pending invitations do not count here. An
 * invited user finds no free seat only if the limit was lowered after the invitation. Then the first users to accept
 * get the remaining seats.
 */
export async function assertSeatLeft(tx: SystemTx, organizationId: string, emailKey: string): Promise<void> {
  const { limit, members } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + 1 > limit) throw problem('team_member_limit');
}
