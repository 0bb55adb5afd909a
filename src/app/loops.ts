// All work that goes on without a request, as one list: begun in its order, and ended together. The heartbeats of the feed
// are not among it: they go with its streams, which end before the server closes.
import { removeExpiredAssertions } from '../access/client-authentication/remove-expired.ts';
import type { Config } from '../base/config/config.ts';
import { openRemoval } from '../sign-in/sessions/remove-ended.ts';
import type { Parts } from './parts.ts';

export interface BackgroundWork {
  readonly name: string;
  start(): void;
  /** Begins nothing more; resolves when what is under way has ended, or will not within a bounded time. */
  stop(): Promise<unknown>;
}

export function listLoops(config: Config, parts: Parts): readonly BackgroundWork[] {
  const { db, log, accessKeys, refreshKeys, revocations, outbox } = parts;
  const removal = openRemoval({
    db,
    log,
    retentionSeconds: config.SESSION_RETENTION,
    removeOthers: () => removeExpiredAssertions(db),
  });
  const begun = () => undefined; // a ring follows its files from its opening on
  return [
    { name: 'access keys', start: begun, stop: () => accessKeys.close() },
    { name: 'refresh keys', start: begun, stop: () => refreshKeys.close() },
    { name: 'revocations', start: revocations.follow, stop: revocations.close },
    { name: 'outbox', start: outbox.follow, stop: outbox.stop },
    removal,
  ];
}

export function startLoops(loops: readonly BackgroundWork[]): void {
  for (const loop of loops) loop.start();
}

export async function stopLoops(loops: readonly BackgroundWork[]): Promise<void> {
  await Promise.all(loops.map((loop) => loop.stop()));
}
