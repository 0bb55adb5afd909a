// Says whether sessions are in doubt because the database was set back, and what the operator can do about it.
import type { Finding } from '../../base/database/examine.ts';
import { readDoubt } from '../../credentials/revocations/lineage-store.ts';
import type { Invocation } from '../line/invocation.ts';
import { withOperator } from '../line/operator.ts';

const REASONS = {
  lost: 'the database has lost changes that a process of the service knew, as after a failover to a standby that lagged',
  unwitnessed:
    'the database was replaced, and no process that has reported so far ran at that time, so nobody knows whether changes were lost',
} as const;

/** Returns no finding when nothing is in doubt. */
export function examineDoubt(invocation: Invocation): Promise<Finding[]> {
  return withOperator(invocation, async ({ db }) => {
    const doubt = await readDoubt(db.systemReader());
    if (doubt === null) return [];
    const before = doubt.before.toISOString();
    const detail = `${REASONS[doubt.reason]}: sessions and tokens from before ${before} are refused until you decide: if anything may have been lost, run tenantry restore --restored-at <instant>, and everybody signs in again; if nothing was lost, run tenantry database accept, and they are valid again`;
    return [{ name: 'sessions', status: 'fail', detail }];
  });
}
