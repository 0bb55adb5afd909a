// Raises the epochs of the memberships of many members whose role has changed. The change of the role is already
// committed. One statement for a hundred thousand members would run into its time limit and would delay every change of
// one of these members. So the members are raised in slices, each in its own short transaction. If the process ends, a
// loop of any process continues.
//
// A change of an organization's role does not wait for the slices. In its own transaction, it raises the epoch of the
// organization's roles, which revokes the older tokens. The loop then raises the memberships for processes and tokens
// of the previous version, which do not know that epoch. It raises every member, so a token that was issued after the
// change but before the slice of its member becomes stale, too. A change of a system role waits for the last slice.
//
// The slices are committed like everything else, and not with synchronous_commit = off. A crash could undo a slice that
// was not yet stored. A token with the raised epoch may exist by then, and the next change of the membership would
// raise the membership to the same epoch, which does not refuse this token.
import { setTimeout as pause } from 'node:timers/promises';
import type { Database, OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { type Loop, openLoop } from '../../base/loops/loop.ts';
import { type Clock, monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { type MembershipKey, raiseMembershipEpochs } from '../users/epoch-store.ts';
import {
  deleteUnfinishedChange,
  insertUnfinishedChange,
  listAbandonedChanges,
  listHolderSlices,
  lockUnfinishedChange,
  type UnfinishedChange,
  updateProgress,
} from './raise-store.ts';

/** For a role with at most this number of members, the change of the role raises all epochs in its own transaction. */
export const HOLDERS_AT_ONCE_MAX = 500;

/** A slice has few users, because the commits of other transactions wait until the slice is in PostgreSQL's log. */
export const SLICE_USERS = 100;

const CHECK_EVERY_MS = 2_000;
const ABANDONED_AFTER_SECONDS = 2;
/**
 * Nobody waits for the loop. So it leaves most of the time to requests: it pauses for this many times as long as it has
 * worked.
 */
const PAUSE_SHARE = 3;
/** Shorter than the time after which a change counts as abandoned. */
const PAUSE_MS_MAX = 1_000;
/** After this time the loop looks for further changes. The row of a change stores how far the loop has got. */
const RUN_MS_MAX = 5_000;

export interface RaiseDeps extends PublishDeps {
  readonly db: Database;
}

/** Records, in the transaction that changes a role, that the epochs of its members are still to be raised. */
export function beginRaising(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: OrganizationTx | SystemTx,
  role: Pick<UnfinishedChange, 'organizationId' | 'ownerKey' | 'roleId'>,
): Promise<UnfinishedChange> {
  return insertUnfinishedChange(tx, newId(deps.random, deps.clock), role);
}

interface Pace {
  /** When this returns true, the work stops before the next slice. */
  readonly isOver?: () => boolean;
  /** Waits after a slice. `workMs` is the time that the slice took. */
  readonly pauseAfter?: (workMs: number) => Promise<unknown>;
}

/**
 * Raises the epochs of all members of the role for whom that is still to be done. Other processes may do the same for
 * the same change. Returns true when all are raised, and false when `isOver` stopped it early.
 */
export async function raiseHolders(
  deps: RaiseDeps,
  change: UnfinishedChange,
  { isOver = () => false, pauseAfter }: Pace = {},
): Promise<boolean> {
  const share = change.organizationId === null ? {} : { organizationId: change.organizationId };
  let { after } = change;
  let slices: readonly MembershipKey[][] = [];
  for (;;) {
    if (isOver()) return false;
    const listed = { from: after, slices };
    const begun = monotonicMs();
    const raised = await publishing(
      deps,
      deps.db.system((tx) => raiseNext(tx, change.id, listed), share),
    );
    if (raised.isDone) return true;
    if (!raised.isUnlisted) {
      await pauseAfter?.(monotonicMs() - begun);
      continue;
    }
    after = raised.after;
    slices = await listHolderSlices(deps.db.systemReader({ bulk: true }), { ...change, after }, SLICE_USERS);
    // No member is left, so the change is finished, unless a further change of the role has started again.
    if (slices.length === 0 && (await finish(deps, change.id, after))) return true;
  }
}

interface Raised {
  readonly revocations: Awaited<ReturnType<typeof raiseMembershipEpochs>>;
  readonly after: string;
  /** Whether every member is done. */
  readonly isDone: boolean;
  /** Whether the next members are not in the list. */
  readonly isUnlisted: boolean;
}

/** Raises one slice: the first of the list that is not done. Another process may have done some of the list. */
async function raiseNext(
  tx: SystemTx,
  id: string,
  { from, slices }: { readonly from: string; readonly slices: readonly MembershipKey[][] },
): Promise<Raised> {
  const after = await lockUnfinishedChange(tx, id);
  const nothing = { revocations: [], after: after ?? from };
  if (after === null) return { ...nothing, isDone: true, isUnlisted: false };
  // A further change of the role has started again with the first member, who may not be in the list.
  const slice = after < from ? undefined : slices.find((members) => lastOf(members) > after);
  if (!slice) return { ...nothing, isDone: false, isUnlisted: true };
  const revocations = await raiseMembershipEpochs(tx, slice);
  await updateProgress(tx, id, lastOf(slice));
  return { revocations, after: lastOf(slice), isDone: false, isUnlisted: false };
}

const lastOf = (members: readonly MembershipKey[]) => members.at(-1)?.userId ?? '';

/** Removes the row, unless a further change of the role has started again meanwhile. */
function finish({ db }: RaiseDeps, id: string, after: string): Promise<boolean> {
  return db.system(async (tx) => {
    const now = await lockUnfinishedChange(tx, id);
    if (now !== null && now !== after) return false;
    await deleteUnfinishedChange(tx, id);
    return true;
  });
}

/** Opens the loop that continues with the changes on which no process works. */
export function openRaising(deps: RaiseDeps & { readonly log: Log; readonly runMsMax?: number }): Loop {
  const { runMsMax = RUN_MS_MAX } = deps;
  return openLoop({
    name: 'role changes',
    everyMs: CHECK_EVERY_MS,
    failing: 'the epochs of members of a changed role cannot be raised',
    working: 'the epochs of members of a changed role are raised again',
    log: deps.log,
    async work({ isStopping }) {
      const pauseAfter = (workMs: number) => pause(Math.min(workMs * PAUSE_SHARE, PAUSE_MS_MAX));
      const changes = await listAbandonedChanges(deps.db.systemReader(), ABANDONED_AFTER_SECONDS);
      const begun = monotonicMs();
      const isOver = () => isStopping() || monotonicMs() - begun >= runMsMax;
      // A change that takes minutes, or fails, does not delay the others. No work goes on after this function returns.
      const done = await Promise.allSettled(
        changes.map((change) => raiseHolders(deps, change, { isOver, pauseAfter })),
      );
      const failed = done.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    },
  });
}
