// Removes the rows of deleted organizations in portions, each in its own short transaction. Nobody can find an
// organization once it is marked as deleted. The request that deletes it removes what it can in a short time. A loop of
// any process removes the rest, even after a crash.
import type { Database } from '../../base/database/db.ts';
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { KINDS, listDeleted, lockDeleted, removeOrganizationRow, removePortion } from './delete-store.ts';

/** At most this number of rows of one kind is removed in one transaction. */
export const REMOVED_AT_ONCE_MAX = 500;

const CHECK_EVERY_MS = 15_000;
const REQUEST_MS_MAX = 2_000;

interface RemovalDeps {
  readonly db: Database;
}

/**
 * Removes all rows of a deleted organization. Stops early when `isOver` returns true, and when another process removes
 * them.
 */
export async function removeDeleted(
  { db }: RemovalDeps,
  organizationId: string,
  isOver: () => boolean = () => false,
): Promise<void> {
  let [kind, after] = [0, NIL_ID];
  while (!isOver()) {
    const done = await db.system(
      async (tx) => {
        if (!(await lockDeleted(tx, organizationId))) return null;
        if (kind < KINDS) return removePortion(tx, organizationId, { kind, after, max: REMOVED_AT_ONCE_MAX });
        await removeOrganizationRow(tx, organizationId);
        return null;
      },
      { organizationId },
    );
    if (done === null) return;
    after = done.after ?? after;
    if (done.rows < REMOVED_AT_ONCE_MAX) kind += 1;
  }
}

/**
 * Removes what is left of organizations that a request has deleted, for about two seconds in total. The loop removes
 * the rest. Never raises: the loop tries again.
 */
export async function removeDeletedForRequest(deps: RemovalDeps, organizationIds: readonly string[]): Promise<void> {
  const begun = monotonicMs();
  const isOver = () => monotonicMs() - begun >= REQUEST_MS_MAX;
  for (const id of organizationIds) await removeDeleted(deps, id, isOver).catch(() => undefined);
}

/** Opens the loop that removes what is left of deleted organizations. */
export function openRemovalOfDeleted(deps: RemovalDeps & { readonly log: Log }): Loop {
  return openLoop({
    name: 'deleted organizations',
    everyMs: CHECK_EVERY_MS,
    failing: 'the rows of deleted organizations cannot be removed',
    working: 'the rows of deleted organizations are removed again',
    log: deps.log,
    async work({ isStopping }) {
      for (const id of await listDeleted(deps.db.systemReader())) await removeDeleted(deps, id, isStopping);
    },
  });
}
