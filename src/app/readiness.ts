// Says whether the process can serve requests. It has the checks of /readyz, and knows whether the process is draining.
import type { Config } from '../base/config/config.ts';
import { DatabaseNotWritable } from '../base/database/db.ts';
import type { HealthDeps, Outcome } from '../base/health/routes.ts';
import type { Parts } from './parts.ts';

export interface Readiness extends HealthDeps {
  /** Makes the process report from now on that it is not ready. */
  drain(): void;
}

export function openReadiness(config: Config, parts: Parts): Readiness {
  const { machineClock: clock, accessKeys, refreshKeys, revocations } = parts;
  let draining = false;
  return {
    checks: {
      database: () => checkDatabase(parts),
      keys() {
        for (const ring of [accessKeys, refreshKeys]) ring.signingKeyAt(clock.now());
        return 'ok';
      },
      clock: () => (revocations.isClockTrusted() ? 'ok' : { status: 'failed', reason: 'clock_skewed' }),
      ...(config.REDIS_URL && { revocation_stream: () => (revocations.isStreaming() ? 'ok' : 'degraded') }),
    },
    draining: () => draining,
    drain() {
      draining = true;
    },
  };
}

/**
 * Checks whether the database can be used. Nobody can sign in or out on a database that stores nothing, so such a
 * database cannot be used.
 */
async function checkDatabase({ db, revocations }: Pick<Parts, 'db' | 'revocations'>): Promise<Outcome> {
  try {
    await db.checkWrites();
    // After the database has been set back, earlier sessions are refused, but people can sign in again. So the service
    // can be used.
    return revocations.doubtedBefore() > 0 ? { status: 'degraded', reason: 'set_back' } : 'ok';
  } catch (error) {
    return { status: 'failed', reason: error instanceof DatabaseNotWritable ? error.reason : 'unreachable' };
  }
}
