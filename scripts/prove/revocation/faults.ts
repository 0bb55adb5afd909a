// The faults of Redis and of the network to it, in an order and at moments that follow from a seed, and the
// record of the times without a fault. history.ts decides what a fault means for a token.
import { setTimeout as delay } from 'node:timers/promises';
import { machineMilliseconds } from './machine-clock.ts';
import type { Setup } from './setup.ts';

const FAULTS = ['stopped', 'killed', 'flushed', 'network cut', 'network stalled'] as const;
export type Fault = (typeof FAULTS)[number];

export interface Faults {
  /** Whether there was no fault at any moment between the two instants. */
  wasHealthy(from: number, until: number): boolean;
  readonly counts: Readonly<Record<Fault, number>>;
  /** Repairs the current fault and starts no other fault. */
  stop(): Promise<void>;
}

/** Returns a function that returns pseudo-random numbers from 0 to 1, decided by the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function breakAndMend({ redis, network }: Setup, fault: Fault, milliseconds: number): Promise<void> {
  if (fault === 'flushed') return redis.flush();
  if (fault === 'stopped') await redis.stop();
  else if (fault === 'killed') await redis.kill();
  else if (fault === 'network cut') network.cut();
  else network.hold();
  await delay(milliseconds);
  if (fault === 'stopped' || fault === 'killed') await redis.restart();
  else network.pass();
}

/** Whether every replica says that its stream works. */
async function allWell({ replicas }: Setup): Promise<boolean> {
  const answers = await Promise.all(
    replicas.map(async ({ url }) => {
      const reply = await fetch(`${url}/readyz`);
      return (await reply.json()) as { checks: Record<string, string> };
    }),
  );
  return answers.every(({ checks }) => checks.revocation_stream === 'ok');
}

/** Starts the faults: one after another, with times without a fault between them. */
export function startFaults(setup: Setup, random: () => number): Faults {
  const counts: Record<Fault, number> = {
    stopped: 0,
    killed: 0,
    flushed: 0,
    'network cut': 0,
    'network stalled': 0,
  };
  const troubles: { from: number; until: number }[] = [];
  let isOver = false;
  async function run(): Promise<void> {
    while (!isOver) {
      await delay(2_000 + random() * 3_000);
      const fault = FAULTS[Math.floor(random() * FAULTS.length)] ?? 'flushed';
      const trouble = { from: machineMilliseconds(), until: Number.POSITIVE_INFINITY };
      troubles.push(trouble);
      counts[fault] += 1;
      await breakAndMend(setup, fault, 500 + random() * 3_000);
      while (!(await allWell(setup))) await delay(20);
      trouble.until = machineMilliseconds();
    }
  }
  const running = run();
  return {
    wasHealthy: (from, until) => !troubles.some((trouble) => trouble.from <= until && trouble.until >= from),
    counts,
    async stop() {
      isOver = true;
      await running;
    },
  };
}
