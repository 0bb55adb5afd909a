// Starting over after a backup was restored: what it knows of sessions, rights and secrets is of the past, and what was
// handed out since then it does not know at all.
import { setTimeout as delay } from 'node:timers/promises';
import { invalid } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import { publishing } from '../../base/revoking/publish.ts';
import type { OperatorDeps } from '../sessions/sessions.ts';
import { countEverything, type EndedCounts, isPast, lockEverything, markEverythingEnded } from './store.ts';

export type { EndedCounts } from './store.ts';

export interface EndEverything {
  /** When the restored database took over: what was handed out before is dead. */
  readonly restoredAt: Date;
  /** Counts only. */
  readonly dryRun?: boolean;
}

// A million users and sessions take some 40 s; whoever waits for a lock that long has been refused meanwhile.
const WITHIN_MS = 900_000;
const LOOK_AGAIN_MS = 50;

/**
 * Ends all sessions, access tokens and invitation tokens from before an instant, everywhere: one transaction, one
 * revocation, one event. Users and clients are past every epoch that was ever handed out. Raises validation_failed for an
 * instant that has not come.
 */
export async function endEverything(
  deps: OperatorDeps,
  { restoredAt, dryRun = false }: EndEverything,
): Promise<EndedCounts> {
  const reader = deps.db.systemReader();
  if (!(await isPast(reader, restoredAt.toISOString()))) {
    throw invalid('restored-at', 'must be an instant that has come: when the restored database took over');
  }
  // Tokens know whole seconds. One of this second that is issued after this must not pass for an older one.
  const instant = new Date(Math.ceil(restoredAt.getTime() / 1000) * 1000).toISOString();
  while (!(await isPast(reader, instant))) await delay(LOOK_AGAIN_MS);
  if (dryRun) return deps.db.system((tx) => countEverything(tx, instant), { timeoutMs: WITHIN_MS });
  const commit = deps.db.system(
    async (tx) => {
      await lockEverything(tx);
      const ended = await markEverythingEnded(tx, instant);
      const { sessions, users, clients, invitations } = ended;
      await record(tx, {
        id: newId(deps.random, deps.clock),
        type: 'installation.recovered',
        organizationId: null,
        actorId: null,
        targetId: null,
        data: { restoredAt: instant, sessions, users, clients, invitations },
      });
      return ended;
    },
    { timeoutMs: WITHIN_MS },
  );
  const { revocations: _, ...counts } = await publishing(deps, commit);
  return counts;
}
