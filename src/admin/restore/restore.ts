// Ends all sessions and tokens after a backup was restored. The restored data about sessions, rights and secrets is out
// of date. It also lacks the tokens that were issued after the backup.
import { setTimeout as delay } from 'node:timers/promises';
import { invalid } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import { newId } from '../../base/platform/random.ts';
import { publishing } from '../../base/revoking/publish.ts';
import { endAllBefore } from '../../credentials/one-time/consume.ts';
import { endRegistrationsBefore } from '../../sign-in/registration/end.ts';
import type { OperatorDeps } from '../sessions/sessions.ts';
import {
  countEverything,
  type EndedCounts,
  findLineage,
  isPast,
  lockEverything,
  markDecided,
  markEverythingEnded,
} from './store.ts';

export type { EndedCounts } from './store.ts';

export interface EndEverything {
  /** The instant when the restored database came into use. Everything that was issued before this instant is ended. */
  readonly restoredAt: Date;
  /** Whether the command only counts, and ends nothing. */
  readonly dryRun?: boolean;
}

// A million users and sessions take about 40 s. A request that waits that long for a lock is refused.
const WITHIN_MS = 900_000;
const LOOK_AGAIN_MS = 50;

/**
 * Ends all sessions, access tokens, and tokens of mails from before an instant, in all organizations. This is one
 * transaction with one revocation and one event. It raises the epochs of users, memberships, clients and of the
 * roles of organizations above every epoch that was ever issued. Raises validation_failed for an instant in the future.
 */
export async function endEverything(
  deps: OperatorDeps,
  { restoredAt, dryRun = false }: EndEverything,
): Promise<EndedCounts> {
  const reader = deps.db.systemReader();
  if (!(await isPast(reader, restoredAt.toISOString()))) {
    throw invalid('restored-at', 'must be an instant that has come: when the restored database took over');
  }
  // The instants in tokens are whole seconds. The function waits for the next second, so that no token issued later
  // counts as an older one.
  const instant = new Date(Math.ceil(restoredAt.getTime() / 1000) * 1000).toISOString();
  while (!(await isPast(reader, instant))) await delay(LOOK_AGAIN_MS);
  if (dryRun) return deps.db.system((tx) => countEverything(tx, instant), { timeoutMs: WITHIN_MS });
  const lineage = await findLineage(reader);
  const commit = deps.db.system(
    async (tx) => {
      await lockEverything(tx);
      const ended = await markEverythingEnded(tx, instant);
      await endAllBefore(tx, instant);
      await endRegistrationsBefore(tx, instant);
      await markDecided(tx, lineage);
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

/**
 * Records the operator's decision that a failover lost nothing important: tokens that were in doubt are valid again.
 * Returns the time since which they were in doubt; null if none were.
 */
export async function acceptDatabase(deps: OperatorDeps): Promise<Date | null> {
  const lineage = await findLineage(deps.db.systemReader());
  return deps.db.system(async (tx) => {
    const doubtedAt = await markDecided(tx, lineage);
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'installation.database_accepted',
      organizationId: null,
      actorId: null,
      targetId: null,
    });
    return doubtedAt;
  });
}
