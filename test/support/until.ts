// Waiting for what comes about by itself.
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MILLISECONDS = 5;

/** Longer than anything takes on a machine that is busy, and shorter than the time limit of a file. */
const PATIENCE_MILLISECONDS = 120_000;

/** Resolves once the condition holds. Raises when it has not for two minutes, and says what was waited for. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${condition}`);
    await delay(POLL_MILLISECONDS);
  }
}

/** Whether the condition comes to hold within a moment. Only for what is tried again when it does not. */
export async function soon(condition: () => boolean | Promise<boolean>, milliseconds = 2_000): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await delay(POLL_MILLISECONDS);
  }
  return true;
}
