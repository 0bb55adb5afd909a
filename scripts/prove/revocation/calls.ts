// The timing of calls that revoke, and pools of subjects that one target uses at a time.
import { setTimeout as delay } from 'node:timers/promises';
import { demand } from '../proof.ts';
import { machineMilliseconds } from './machine-clock.ts';

/** Makes a call that revokes. Returns when it was sent and when its answer arrived. */
export async function timed(call: () => Promise<{ readonly status: number; readonly text: string }>) {
  const asked = machineMilliseconds();
  let reply = await call();
  // On a busy machine the service may answer 503. The call is then repeated.
  for (let again = 0; reply.status === 503 && again < 5; again += 1) reply = await call();
  const acknowledged = machineMilliseconds();
  demand(reply.status < 300, `a revocation was answered ${reply.status}: ${reply.text}`);
  return { asked, acknowledged };
}

/** Takes one item out of a pool. Waits while the pool is empty. */
export async function taken<T>(pool: T[]): Promise<T> {
  for (;;) {
    const found = pool.shift();
    if (found !== undefined) return found;
    await delay(5);
  }
}
