// The list of the background work. The loops are started in the order of the list and stopped together. The heartbeats
// of the feed are not in the list, because they end with the connections of the feed, before the server closes.
import { removeExpiredAssertions } from '../access/client-authentication/remove-expired.ts';
import { openRemovalOfUnproven } from '../admin/accounts/remove-unproven.ts';
import { openSealing } from '../admin/personal-data/fill.ts';
import type { Config } from '../base/config/config.ts';
import { removeExpiredKeys } from '../base/idempotency/remove-expired.ts';
import { removeOverTokens } from '../credentials/one-time/remove-over.ts';
import { openRemovalOfDeleted } from '../directory/organizations/remove-deleted.ts';
import { openRaising } from '../directory/roles/raise-holders.ts';
import { removeExpiredRegistrations } from '../sign-in/registration/end.ts';
import { openRemoval } from '../sign-in/sessions/remove-ended.ts';
import type { Parts } from './parts.ts';

export interface BackgroundWork {
  readonly name: string;
  start(): void;
  /** Begins nothing more. Resolves when the running work has ended, or after a bounded time. */
  stop(): Promise<unknown>;
}

export function listLoops(config: Config, parts: Parts): readonly BackgroundWork[] {
  const { db, log, publish, accessKeys, refreshKeys, dataKeys, personalPhase, revocations, outbox } = parts;
  const removal = openRemoval({
    db,
    log,
    retentionSeconds: config.SESSION_RETENTION,
    removeOthers: async () => {
      await removeExpiredAssertions(db);
      await removeExpiredKeys(db);
      await removeOverTokens(db);
      await removeExpiredRegistrations(db);
    },
  });
  const { clock, random } = parts;
  const days = config.UNVERIFIED_ACCOUNT_TTL;
  // In the other registration modes, an account whose mailbox nobody has proven is an account like any other.
  const isDue = config.REGISTRATION_MODE === 'verified' && days > 0;
  const unproven = isDue ? [openRemovalOfUnproven({ db, log, clock, random, publish, days })] : [];
  const alreadyStarted = () => undefined; // a key ring follows its files as soon as it is opened
  return [
    { name: 'access keys', start: alreadyStarted, stop: () => accessKeys.close() },
    { name: 'refresh keys', start: alreadyStarted, stop: () => refreshKeys.close() },
    { name: 'data keys', start: alreadyStarted, stop: () => dataKeys.close() },
    personalPhase,
    { name: 'revocations', start: revocations.follow, stop: revocations.close },
    { name: 'outbox', start: outbox.follow, stop: outbox.stop },
    openRaising({ db, log, publish }),
    openSealing({ db, log }),
    openRemovalOfDeleted({ db, log }),
    ...unproven,
    removal,
  ];
}

export function startLoops(loops: readonly BackgroundWork[]): void {
  for (const loop of loops) loop.start();
}

/** Stops every loop, even when one of them fails. Then raises the first error, if there is one. */
export async function stopLoops(loops: readonly BackgroundWork[]): Promise<void> {
  const stops = await Promise.allSettled(loops.map(async (loop) => loop.stop()));
  for (const stop of stops) if (stop.status === 'rejected') throw stop.reason;
}
