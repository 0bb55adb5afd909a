// The periodic removal of sessions that ended longer ago than the retention, and of revocations nobody can meet.
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
  /** What other features have to remove as often. */
  readonly removeOthers?: () => Promise<void>;
}

/** Removes what is due now, in portions, so that no statement runs long; gives how many sessions. */
export async function removeEndedNow(deps: RemoveEndedDeps): Promise<number> {
  // Only a session's row tells whom its end concerns: it stays for as long as that is told.
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

/** The periodic removal, not started yet. Any number of replicas may do so at once. */
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
