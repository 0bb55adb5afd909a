// Waits for a condition.
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 5;

/** This limit is longer than any wait on a busy machine, and shorter than the time limit of a test file. */
const PATIENCE_MILLISECONDS = 120_000;

/** Resolves once the condition is true. Raises an error that names the condition after two minutes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${condition}`);
    await delay(POLL_MILLISECONDS);
  }
}

/** Whether the condition becomes true within `milliseconds`. Only for callers that try again when it stays false. */
export async function soon(condition: () => boolean | Promise<boolean>, milliseconds = 2_000): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await delay(POLL_MILLISECONDS);
  }
  return true;
}
