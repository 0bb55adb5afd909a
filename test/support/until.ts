// Waits for a condition.
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 5;
/**
 * The longer a wait has taken, the longer it pauses between two checks. A check that sends a request to a service costs
 * more than noticing the condition a little later.
 */
const POLL_MILLISECONDS_MAX = 50;
const WAITED_PER_PAUSE = 20;

/** This limit is longer than any wait on a busy machine, and shorter than the time limit of a test file. */
const PATIENCE_MILLISECONDS = 120_000;

/** Resolves once the condition is true. Raises an error that names the condition after two minutes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  if (!(await soon(condition, PATIENCE_MILLISECONDS))) throw new Error(`waited in vain for ${condition}`);
}

/** Whether the condition becomes true within `milliseconds`. Only for callers that try again when it stays false. */
export async function soon(condition: () => boolean | Promise<boolean>, milliseconds = 2_000): Promise<boolean> {
  const begun = performance.now();
  while (!(await condition())) {
    const waited = performance.now() - begun;
    if (waited > milliseconds) return false;
    await delay(Math.min(POLL_MILLISECONDS_MAX, POLL_MILLISECONDS + waited / WAITED_PER_PAUSE));
  }
  return true;
}
