// Waiting for what comes about by itself.
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 5;

/** Resolves once the condition holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(POLL_MILLISECONDS);
}
