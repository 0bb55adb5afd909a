// Waits until /readyz of a service gives a wanted answer.
import { setTimeout as delay } from 'node:timers/promises';
import { openApi, type Reply } from '../../../test/support/client.ts';
import { demand } from '../proof.ts';
import type { Service } from '../testbed.ts';

const POLL_MILLISECONDS = 25;

/** Whether an answer of /readyz has the status 200. */
export const isReady = ({ status }: Reply): boolean => status === 200;

/**
 * Waits until `isWanted` returns true for the answer of /readyz. `what` describes that answer. Returns how long that
 * took, in milliseconds. Raises NotShown after `millisecondsMax`.
 */
export async function untilReadiness(
  service: Service,
  what: string,
  isWanted: (reply: Reply) => boolean,
  millisecondsMax: number,
): Promise<number> {
  const api = openApi(service.url);
  const begun = performance.now();
  for (;;) {
    const reply = await api.get('/readyz');
    if (isWanted(reply)) return performance.now() - begun;
    const tooLong = performance.now() - begun > millisecondsMax;
    demand(!tooLong, `/readyz does not become ${what}: ${reply.status} ${reply.text}\n${service.log()}`);
    await delay(POLL_MILLISECONDS);
  }
}
