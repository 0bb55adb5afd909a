// Removes accounts whose mailbox nobody has proven for a long time, so that nobody can keep the address of somebody
// else. Only accounts that nobody uses are removed, and only those whose end affects nobody else: see isAbandoned.
import { Problem } from '../../base/errors/problem.ts';
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import type { Log } from '../../base/platform/log.ts';
import { type AbandonedAccount, isAbandoned, listAbandoned, lockRemoval } from '../../directory/users/close-store.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { closeAccount } from '../../sign-in/leaving/close-account.ts';
import { endAdministration } from '../administrators/store.ts';
import type { OperatorClosingDeps } from './close-account.ts';

const EVERY_MS = 60 * 60_000;
const SLICE_ACCOUNTS = 50;
const DAY_SECONDS = 86_400;
const BEGINNING: AbandonedAccount = { id: NIL_ID, createdAt: '-infinity' };

export interface RemoveUnprovenDeps extends OperatorClosingDeps {
  /** The age in days from which an account is removed. */
  readonly days: number;
}

/**
 * Removes the accounts that are due, one transaction each. Ends early when `isStopping` returns true, and when another
 * process removes them. Returns the number of removed accounts.
 */
export async function removeUnproven(
  { days, ...deps }: RemoveUnprovenDeps,
  isStopping: () => boolean = () => false,
): Promise<number> {
  const seconds = days * DAY_SECONDS;
  let removed = 0;
  for (let after = BEGINNING; ; ) {
    const slice = await listAbandoned(deps.db.systemReader({ bulk: true }), seconds, SLICE_ACCOUNTS, after);
    for (const account of slice) {
      if (isStopping()) return removed;
      const outcome = await removeOne(deps, account.id, seconds);
      if (outcome === 'elsewhere') return removed;
      if (outcome === 'removed') removed += 1;
      after = account;
    }
    if (slice.length < SLICE_ACCOUNTS) return removed;
  }
}

async function removeOne(
  deps: OperatorClosingDeps,
  userId: string,
  seconds: number,
): Promise<'removed' | 'kept' | 'elsewhere'> {
  let isOwnTurn = true;
  try {
    const closed = await closeAccount(
      { ...deps, endAdministration },
      {
        ...{ userId, caller: null, deleteOrganizations: 'all that can be' },
        async isStillWanted(tx) {
          isOwnTurn = await lockRemoval(tx);
          return isOwnTurn && isAbandoned(tx, userId, seconds);
        },
      },
    );
    if (closed) return 'removed';
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error; // somebody has changed the account meanwhile
  }
  return isOwnTurn ? 'kept' : 'elsewhere';
}

/** Opens the loop that removes unproven accounts. */
export function openRemovalOfUnproven(deps: RemoveUnprovenDeps & { readonly log: Log }): Loop {
  return openLoop({
    name: 'unproven accounts',
    everyMs: EVERY_MS,
    failing: 'accounts that were never proven cannot be removed',
    working: 'accounts that were never proven are removed again',
    log: deps.log,
    async work({ isStopping }) {
      await removeUnproven(deps, isStopping);
    },
  });
}
