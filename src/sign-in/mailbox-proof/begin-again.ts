// Begins a transaction again that has to lock the organizations of a user before the user.
import { problem } from '../../base/errors/problem.ts';

const ATTEMPTS_MAX = 5;

/**
 * Returns the first answer of `attempt` that is not null. Null says that the user has joined another organization
 * before the user was locked, and that nothing was changed. After five attempts, it raises service_busy.
 */
export async function beginAgain<Done>(attempt: () => Promise<Done | null>): Promise<Done> {
  for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts += 1) {
    const done = await attempt();
    if (done !== null) return done;
  }
  throw problem('service_busy', { retryAfterSeconds: 1, isUnchanged: true });
}
