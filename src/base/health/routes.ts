// The endpoints that say whether the process runs and whether it can serve requests.
import { z } from 'zod';
import { type Endpoint, endpoint, open } from '../http/endpoint.ts';

/**
 * A function that checks one dependency. It raises or returns `failed` when the dependency cannot be used. It returns
 * `degraded` when the dependency works in part or not at all, but requests can be served. The reason is a word for
 * programs.
 */
export type Check = () => Promise<Outcome> | Outcome;
export type Outcome = 'ok' | 'degraded' | { readonly status: 'degraded' | 'failed'; readonly reason: string };

const Live = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Live' });
const Ready = z
  .strictObject({
    status: z.enum(['ready', 'not_ready']),
    checks: z.record(z.string(), z.enum(['ok', 'degraded', 'failed'])).meta({
      description:
        'The state of each dependency. A degraded dependency works in part or not at all, but requests are served.',
    }),
    reasons: z
      .record(z.string(), z.string())
      .optional()
      .meta({ description: 'Why a dependency is not ok, where that is known, such as read_only or disk_full.' }),
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
      summary: 'Check whether the process runs',
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
      summary: 'Check whether requests can be served now',
      tag: 'Operations',
      reply: { 200: Ready, 503: Ready },
      handle: async ({ answer }) => {
        const names = Object.keys(deps.checks);
        const outcomes = await Promise.allSettled(names.map(async (name) => deps.checks[name]?.()));
        const checks: Record<string, 'ok' | 'degraded' | 'failed'> = {};
        const reasons: Record<string, string> = {};
        for (const [at, name] of names.entries()) {
          const settled = outcomes[at];
          const outcome = (settled?.status === 'fulfilled' && settled.value) || 'failed';
          checks[name] = typeof outcome === 'string' ? outcome : outcome.status;
          if (typeof outcome !== 'string') reasons[name] = outcome.reason;
        }
        const ready = !deps.draining() && !Object.values(checks).includes('failed');
        if (!ready) {
          answer.status(503);
          answer.header('retry-after', '1');
        }
        const explained = Object.keys(reasons).length > 0 ? { reasons } : {};
        return { status: ready ? 'ready' : 'not_ready', checks, ...explained };
      },
    }),
  ];
}
