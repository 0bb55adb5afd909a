// Whether the process lives, and whether it can do its work.
import { z } from 'zod';
import { type Endpoint, endpoint, open } from '../http/endpoint.ts';

/** Asks one dependency; resolves when it can be used. One that can be done without is degraded instead. */
export type Check = () => Promise<Outcome> | Outcome;
type Outcome = 'ok' | 'degraded';

const Live = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Live' });
const Ready = z
  .strictObject({
    status: z.enum(['ready', 'not_ready']),
    checks: z.record(z.string(), z.enum(['ok', 'degraded', 'failed'])).meta({
      description: 'The state of each dependency. Requests are served even if one is degraded.',
    }),
  })
  .meta({ id: 'Ready' });

export interface HealthDeps {
  readonly checks: Readonly<Record<string, Check>>;
  readonly draining: () => boolean;
}

export function healthRoutes(deps: HealthDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/healthz',
      access: open(),
      limit: 'none',
      id: 'getHealth',
      summary: 'Say whether the process runs',
      tag: 'Operations',
      reply: { 200: Live },
      handle: () => ({ status: 'ok' }),
    }),
    endpoint({
      method: 'GET',
      url: '/readyz',
      access: open(),
      limit: 'none',
      id: 'getReadiness',
      summary: 'Say whether requests can be served now',
      tag: 'Operations',
      reply: { 200: Ready, 503: Ready },
      handle: async ({ answer }) => {
        const names = Object.keys(deps.checks);
        const outcomes = await Promise.allSettled(names.map(async (name) => deps.checks[name]?.()));
        const checks = Object.fromEntries(
          names.map((name, at) => {
            const outcome = outcomes[at];
            return [name, outcome?.status === 'fulfilled' ? (outcome.value ?? 'failed') : 'failed'] as const;
          }),
        );
        const ready = !deps.draining() && !Object.values(checks).includes('failed');
        if (!ready) {
          answer.status(503);
          answer.header('retry-after', '1');
        }
        return { status: ready ? 'ready' : 'not_ready', checks };
      },
    }),
  ];
}
