// The sessions that operators manage: list the sessions of a user, end one of them or all of them, and end the sessions
// of all users.
import { setTimeout as delay } from 'node:timers/promises';
import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { EndReason } from '../../base/events/sessions.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { type Page, paged } from '../../base/platform/page.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endAll, endAllBefore } from '../../credentials/one-time/consume.ts';
import { ENDED_WITH_CREDENTIALS } from '../../credentials/one-time/purposes.ts';
import { raiseEpochs } from '../../directory/users/epoch-store.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { endRegistrationsBefore } from '../../sign-in/registration/end.ts';
import type { EndedSessions } from '../../sign-in/sessions/ending-store.ts';
import { toSession } from '../../sign-in/sessions/list-sessions.ts';
import { countLiveSessions, listLiveSessions } from '../../sign-in/sessions/store.ts';
import { isUnderWay, markSessionEnded, markSliceEnded, markUserSessionsEnded, readBeginning } from './store.ts';

export interface OperatorDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

const REASON = 'ended_by_operator';
const LOOK_AGAIN_MS = 100;

/** The live sessions of a user, the most recently used first. */
export async function listUserSessions(deps: Pick<OperatorDeps, 'db'>, userId: string, page: Page) {
  const reader = deps.db.userReader(userId);
  return paged(await listLiveSessions(reader, userId, page.limit, page.offset), page, {
    toItem: toSession,
    countAll: () => countLiveSessions(reader, userId),
  });
}

/** Ends one session of any user. Raises not_found for an unknown session, and for a session that has ended. */
export async function endAnySession(deps: OperatorDeps, sessionId: string): Promise<void> {
  const { live } = await publishing(deps, markSessionEnded(deps.db.systemReader(), sessionId, REASON));
  if (live === 0) {
    throw problem('not_found', { detail: 'There is no such live session: list the sessions of its user first.' });
  }
}

/**
 * Ends every session of a user, with all access tokens and the tokens of mails, except the tokens that restore a former
 * address. Returns the number of live sessions that it ended.
 */
export async function endUserSessions(deps: OperatorDeps, userId: string): Promise<number> {
  const commit = deps.db.system((tx) => endAllOfUser(tx, userId, REASON));
  return (await publishing(deps, commit)).live;
}

/**
 * Does the same as endUserSessions, within the caller's transaction. The caller publishes the revocations after the
 * commit.
 */
export async function endAllOfUser(tx: SystemTx, userId: string, reason: EndReason): Promise<EndedSessions> {
  // The raised epoch also refuses the access token of a sign-in that runs at this moment.
  const raised = await raiseEpochs(tx, [userId]);
  await endAll(tx, userId, ENDED_WITH_CREDENTIALS);
  const { live, revocations } = await markUserSessionsEnded(tx, userId, reason);
  return { live, revocations: [...raised, ...revocations] };
}

/**
 * Ends every session that was opened before now, all access tokens of the users, the tokens of mails, and the
 * registrations that wait for their proof. It processes a few users with each statement, so that no statement runs
 * long. If it is interrupted, the finished statements remain in effect, and a second run ends the rest. `onUsers` is
 * called with the number of processed users and the number of all users. Returns the number of live sessions that it
 * ended.
 */
export async function endAllSessions(
  deps: OperatorDeps,
  onUsers: (done: number, whole: number) => void = () => undefined,
): Promise<number> {
  const reader = deps.db.systemReader();
  const beginning = await readBeginning(reader);
  let live = 0;
  // One pass can miss the session of a sign-in that is running. A later pass finds it, after the sign-in has committed.
  for (let underWay = true; underWay; ) {
    underWay = await isUnderWay(reader, beginning.now);
    let users = 0;
    for (let after: string | null = NIL_ID; after !== null; ) {
      const slice = await markSliceEnded(reader, after, beginning.now, REASON);
      after = slice.lastUserId;
      users += slice.users;
      live += slice.live;
      onUsers(users, beginning.users);
    }
    if (underWay) await delay(LOOK_AGAIN_MS);
  }
  await deps.db.system(async (tx) => {
    await endAllBefore(tx, beginning.now);
    await endRegistrationsBefore(tx, beginning.now);
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'sessions.all_ended',
      organizationId: null,
      actorId: null,
      targetId: null,
      data: { live },
    });
  });
  return live;
}
