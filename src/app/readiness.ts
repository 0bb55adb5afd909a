// Says whether the process can serve requests. It has the checks of /readyz, and knows whether the process is draining.
import type { Config } from '../base/config/config.ts';
import type { HealthDeps } from '../base/health/routes.ts';
import type { Parts } from './parts.ts';

export interface Readiness extends HealthDeps {
  /** Makes the process report from now on that it is not ready. */
  drain(): void;
}

export function openReadiness(config: Config, parts: Parts): Readiness {
  const { db, clock, accessKeys, refreshKeys, revocations } = parts;
  let draining = false;
  return {
    checks: {
      async database(): Promise<'ok'> {
        await db.ping();
        return 'ok';
      },
      keys() {
        for (const ring of [accessKeys, refreshKeys]) ring.signingKeyAt(clock.now());
        return 'ok';
      },
      ...(config.REDIS_URL && { revocation_stream: () => (revocations.isStreaming() ? 'ok' : 'degraded') }),
    },
    draining: () => draining,
    drain() {
      draining = true;
    },
  };
}
