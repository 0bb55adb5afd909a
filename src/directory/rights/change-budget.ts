// Limits how often the rights of members may be changed. Each change makes access tokens of the organization stale, so
// an administrator could otherwise lock a member out. Suspending and removing a member have no limit: a member who
// misuses rights must be stopped at once, whatever was changed before.
//
// Each change costs a member one refresh. A change of a role with very many members costs two, because the epochs of
// the memberships are raised later, so it counts twice. With both budgets used up, a session refreshes 50 times in the
// first minute and 20 times in each later one, which is below the default of RATE_LIMIT_REFRESH.
import type { OrganizationTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { spendMemberChange, spendRoleChange } from './change-budget-store.ts';

/** The budget of one member: ten changes without a wait, and one more every six seconds. */
const OF_MEMBER = { changes: 10, secondsEach: 6 };
/** The budget of all roles of an organization together, because a member may hold many of them. */
const OF_ROLES = { changes: 20, secondsEach: 6 };
const OF_LARGE_ROLES = { changes: OF_ROLES.changes / 2, secondsEach: OF_ROLES.secondsEach * 2 };

/**
 * Counts one change of a member's roles, or one activation. The caller holds the organization's lock. Raises
 * too_many_requests when the budget of this member is used up.
 */
export async function payForMemberChange(tx: OrganizationTx, organizationId: string, userId: string): Promise<void> {
  assertPaid(
    await spendMemberChange(tx, organizationId, userId, OF_MEMBER),
    'The roles or the status of this member were changed too often: try again after the seconds in Retry-After. The member can still be suspended or removed.',
  );
}

/**
 * Counts one change of the rights of a role that somebody holds. It counts twice when the memberships are raised later.
 * The caller holds the organization's lock. Raises too_many_requests when the budget of the organization is used up.
 */
export async function payForRoleChange(
  tx: OrganizationTx,
  organizationId: string,
  { isLarge }: { readonly isLarge: boolean },
): Promise<void> {
  assertPaid(
    await spendRoleChange(tx, organizationId, isLarge ? OF_LARGE_ROLES : OF_ROLES),
    'Roles that members hold were changed too often in this organization: try again after the seconds in Retry-After. A member can still be given other roles, suspended or removed.',
  );
}

function assertPaid(waitSeconds: number, detail: string): void {
  if (waitSeconds > 0) throw problem('too_many_requests', { detail, retryAfterSeconds: waitSeconds });
}
