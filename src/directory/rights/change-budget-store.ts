// The queries of the budgets of changes. A budget is one column with an instant. Each change moves the instant by a
// fixed number of seconds, and an instant too far in the future refuses further changes. So all replicas share the
// budget, and nothing has to be cleared.
import { type OrganizationTx, statement } from '../../base/database/db.ts';

export interface ChangeBudget {
  /** How many changes may be made without a wait. */
  readonly changes: number;
  /** After these changes, one more change is allowed each time this number of seconds has passed. */
  readonly secondsEach: number;
}

// $1 organization, $2 changes without a wait, $3 seconds per further change. `known` has two columns: `now`, and
// `paid`, which is the instant of the budget, or `now` if that is later.
const NEXT = `known.paid + $3::float8 * interval '1 second'`;
const IS_ALLOWED = `known.paid <= known.now + ($2::int - 1) * $3::float8 * interval '1 second'`;
const WAIT = `
SELECT CASE WHEN EXISTS (SELECT FROM spent) THEN 0
  ELSE ceil(extract(epoch FROM known.paid - known.now) - ($2::int - 1) * $3::float8)::int END AS wait FROM known`;

// $1 to $3 as for NEXT, $4 member.
const SPEND_OF_MEMBER = statement(`
WITH known AS (
  SELECT i.now, greatest(m.changes_paid_until, i.now) AS paid FROM memberships m, (SELECT clock_timestamp() AS now) i
  WHERE m.organization_id = $1::uuid AND m.user_id = $4::uuid
),
spent AS (
  UPDATE memberships m SET changes_paid_until = ${NEXT} FROM known
  WHERE m.organization_id = $1::uuid AND m.user_id = $4::uuid AND ${IS_ALLOWED} RETURNING 1
)${WAIT}`);

const SPEND_OF_ROLES = statement(`
WITH known AS (
  SELECT i.now, greatest(o.role_changes_paid_until, i.now) AS paid
  FROM organizations o, (SELECT clock_timestamp() AS now) i WHERE o.id = $1::uuid
),
spent AS (
  UPDATE organizations o SET role_changes_paid_until = ${NEXT} FROM known
  WHERE o.id = $1::uuid AND ${IS_ALLOWED} RETURNING 1
)${WAIT}`);

/**
 * Spends one change of a member and returns 0. If the budget is used up, spends nothing and returns the whole seconds
 * until a change is allowed. The caller holds the organization's lock.
 */
export async function spendMemberChange(
  tx: OrganizationTx,
  organizationId: string,
  userId: string,
  { changes, secondsEach }: ChangeBudget,
): Promise<number> {
  const [row] = await tx.rows<{ wait: number }>(SPEND_OF_MEMBER, [organizationId, changes, secondsEach, userId]);
  return row?.wait ?? 0;
}

/** Does the same as spendMemberChange, for one change of the rights of a role of the organization. */
export async function spendRoleChange(
  tx: OrganizationTx,
  organizationId: string,
  { changes, secondsEach }: ChangeBudget,
): Promise<number> {
  const [row] = await tx.rows<{ wait: number }>(SPEND_OF_ROLES, [organizationId, changes, secondsEach]);
  return row?.wait ?? 0;
}
