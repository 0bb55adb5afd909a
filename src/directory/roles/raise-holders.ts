// Raises the epochs of the members of a role whose rights have changed, so that their older access tokens are refused.
// The change of the role itself is committed first. One statement for a hundred thousand members would run into its
// time limit and would delay every change of one of these members. So the members are raised in slices, each in its own
// short transaction. No answer says that the change is complete before the last slice. If the process ends, a loop of
// any process continues.
import type { Database, OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
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

/** A role with at most this number of members is changed in one transaction. */
export const HOLDERS_AT_ONCE_MAX = 500;

/** A request must answer before its time is over. */
const REQUEST_MS_MAX = 8_000;
const CHECK_EVERY_MS = 5_000;
const ABANDONED_AFTER_SECONDS = 5;

export interface RaiseDeps extends PublishDeps {
  readonly db: Database;
}

/** Writes, in the transaction that changes a role, that the epochs of its members are still to be raised. */
export function beginRaising(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: OrganizationTx | SystemTx,
  role: Pick<UnfinishedChange, 'organizationId' | 'ownerKey' | 'roleId'>,
): Promise<UnfinishedChange> {
  return insertUnfinishedChange(tx, newId(deps.random, deps.clock), role);
}

/**
 * Raises the epochs of all members of the role for whom that is still to be done. Other processes may do the same for the
 * same change. Stops early when `isOver` returns true, and then returns false.
 */
export async function raiseHolders(
  deps: RaiseDeps,
  change: UnfinishedChange,
  isOver: () => boolean = () => false,
): Promise<boolean> {
  const share = change.organizationId === null ? {} : { organizationId: change.organizationId };
  let { after } = change;
  let slices: readonly MembershipKey[][] = [];
  for (;;) {
    if (isOver()) return false;
    const listed = { from: after, slices };
    const raised = await publishing(
      deps,
      deps.db.system((tx) => raiseNext(tx, change.id, listed), share),
    );
    if (raised.isDone) return true;
    if (!raised.isUnlisted) continue;
    after = raised.after;
    slices = await listHolderSlices(deps.db.systemReader({ bulk: true }), { ...change, after }, HOLDERS_AT_ONCE_MAX);
    // The next iteration finishes a role that nobody has any more.
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

/**
 * Does the same as raiseHolders for a request. Raises service_busy when the time of the request does not suffice. The
 * loop then continues, and a repeated request waits for the rest.
 */
export async function raiseHoldersForRequest(
  deps: RaiseDeps,
  change: UnfinishedChange,
  withinMs = REQUEST_MS_MAX,
): Promise<void> {
  const begun = monotonicMs();
  if (await raiseHolders(deps, change, () => monotonicMs() - begun >= withinMs)) return;
  throw problem('service_busy', {
    retryAfterSeconds: 5,
    detail:
      'The role was changed, but the tokens of some of its members are still valid: send the same request again after the seconds in Retry-After.',
  });
}

/** Opens the loop that finishes the changes on which no process works any more. */
export function openRaising(deps: RaiseDeps & { readonly log: Log }): Loop {
  return openLoop({
    name: 'role changes',
    everyMs: CHECK_EVERY_MS,
    failing: 'the tokens of members of a changed role cannot be ended',
    working: 'the tokens of members of a changed role are ended again',
    log: deps.log,
    async work({ isStopping }) {
      for (const change of await listAbandonedChanges(deps.db.systemReader(), ABANDONED_AFTER_SECONDS)) {
        if (!isStopping()) await raiseHolders(deps, change, isStopping);
      }
    },
  });
}
