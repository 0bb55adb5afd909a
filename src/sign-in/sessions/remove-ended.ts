// Periodically removes sessions that ended longer ago than the retention time, and revocations that no reader needs.
import type { Database } from '../../base/database/db.ts';
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import type { Log } from '../../base/platform/log.ts';
import { READ_WITHIN_SECONDS, removeOldRevocations } from '../../credentials/revocations/revocations.ts';
import { deleteEndedSessions, REMOVED_AT_ONCE } from './store.ts';

const EVERY_MS = 10 * 60_000;

export interface RemoveEndedDeps {
  readonly db: Database;
  readonly log: Log;
  readonly retentionSeconds: number;
  /** Removes rows of other features in the same loop. */
  readonly removeOthers?: () => Promise<void>;
}

/**
 * Removes the rows that are due now, in portions, so that no statement runs long. Returns the number of removed
 * sessions.
 */
export async function removeEndedNow(deps: RemoveEndedDeps): Promise<number> {
  // The feed reads the user of a session from the row of the session. So the row remains until the feed no longer reads
  // its revocation.
  const keptSeconds = Math.max(deps.retentionSeconds, READ_WITHIN_SECONDS);
  let total = 0;
  for (;;) {
    const removed = await deleteEndedSessions(deps.db.systemReader(), keptSeconds);
    total += removed;
    if (removed < REMOVED_AT_ONCE) break;
  }
  await removeOldRevocations(deps.db);
  await deps.removeOthers?.();
  return total;
}

/**
 * Returns the loop that calls `removeEndedNow` regularly. The loop is not started yet. Any number of replicas may run
 * it at the same moment.
 */
export function openRemoval(deps: RemoveEndedDeps): Loop {
  return openLoop({
    name: 'removal of ended sessions',
    async work() {
      await removeEndedNow(deps);
    },
    everyMs: EVERY_MS,
    failing: 'ended sessions stay for now',
    working: 'ended sessions are removed again',
    log: deps.log,
  });
}
