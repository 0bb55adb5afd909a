// Twenty verifiers that check the watched tokens. They run in five processes. The caller chooses the tokens.
import type { Testbed } from '../testbed.ts';
import type { Observation } from './history.ts';
import { AUDIENCE, type Setup } from './setup.ts';
import type { Order, Report, VerifierSettings, Watched } from './watcher.ts';
import { startWorker, type Worker } from './workers.ts';

const PROCESSES = 5;
const VERIFIERS_EACH = 4;

export interface VerifierProcesses {
  /** The names of the verifiers. */
  readonly observers: readonly string[];
  watch(tokens: readonly Watched[]): Promise<void>;
  settle(tokens: readonly number[]): Promise<Observation[]>;
  report(): Promise<Report>;
}

/**
 * Starts the verifiers. Each verifier follows one replica, and checks every watched token again after
 * `everyMilliseconds`.
 */
export async function startVerifiers(
  testbed: Testbed,
  setup: Setup,
  everyMilliseconds: number,
): Promise<VerifierProcesses> {
  const workers: Worker<Order>[] = [];
  const observers: string[] = [];
  for (let index = 0; index < PROCESSES; index += 1) {
    const worker = startWorker<Order>('watcher.ts');
    testbed.teardown(() => worker.end());
    const settings = Array.from({ length: VERIFIERS_EACH }, (_, slot) =>
      settingsOf(setup, index * VERIFIERS_EACH + slot),
    );
    observers.push(...settings.map(({ name }) => name));
    workers.push(worker);
    await worker.ask({ kind: 'open', settings, everyMilliseconds });
  }
  const all = <Answer>(order: Order) => Promise.all(workers.map((worker) => worker.ask<Answer>(order)));
  return {
    observers,
    async watch(tokens) {
      await all({ kind: 'watch', tokens });
    },
    settle: async (tokens) => (await all<Observation[]>({ kind: 'settle', tokens })).flat(),
    async report() {
      const reports = await all<Report>({ kind: 'report' });
      const helpless: Record<string, number> = {};
      for (const each of reports) {
        for (const [code, count] of Object.entries(each.helpless)) helpless[code] = (helpless[code] ?? 0) + count;
      }
      return {
        verifications: reports.reduce((sum, { verifications }) => sum + verifications, 0),
        helpless,
        staleSeconds: Math.max(...reports.map(({ staleSeconds }) => staleSeconds)),
      };
    },
  };
}

function settingsOf({ issuer, replicas, watcher }: Setup, number: number): VerifierSettings {
  const replica = replicas[number % replicas.length];
  return { name: `verifier ${number + 1}`, issuer, audience: AUDIENCE, serviceUrl: replica?.url ?? issuer, ...watcher };
}
