// The limit of team members. Members of any status and pending invitations count. Checked under the organization's lock.

import type { OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { countSeats } from './store.ts';

/** Raises team_member_limit unless the limit allows an invitation of this canonical e-mail. Its own is not counted. */
export async function assertSeat(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  emailKey: string,
): Promise<void> {
  const { limit, members, pending } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + pending + 1 > limit) throw problem('team_member_limit');
}

/**
 * Raises team_member_limit unless another member is within the limit. Other pending invitations do not count. An invited
 * user finds no room only if the limit was lowered since: then the first users to accept take the remaining seats.
 */
export async function assertSeatLeft(tx: SystemTx, organizationId: string, emailKey: string): Promise<void> {
  const { limit, members } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + 1 > limit) throw problem('team_member_limit');
}
