// The limit of team members: members of any status and pending invitations count. Judged under the organization's lock.

import type { OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { countSeats } from './store.ts';

/** Raises team_member_limit unless there is a seat to promise this e-mail (canonical), its own invitation not counted. */
export async function assertSeat(
  tx: OrganizationTx | SystemTx,
  organizationId: string,
  emailKey: string,
): Promise<void> {
  const { limit, members, pending } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + pending + 1 > limit) throw problem('team_member_limit');
}

/**
 * Raises team_member_limit unless a further member is within the limit. Who was promised a seat has one, unless the
 * limit was lowered since: then the first who come have what is left, and other pending invitations do not count.
 */
export async function assertSeatLeft(tx: SystemTx, organizationId: string, emailKey: string): Promise<void> {
  const { limit, members } = await countSeats(tx, organizationId, emailKey);
  if (limit !== null && members + 1 > limit) throw problem('team_member_limit');
}
