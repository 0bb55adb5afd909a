// For whom the current code runs. The HTTP layer names the requester once for each request. The queues before the
// database and before hashing read it, so that no operation has to pass it on and none can forget it. Background work
// runs for the service itself and has no requester.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Requester {
  /**
   * Whose share the work takes: an organization, a user or a service client without one, or the network of a caller who
   * is not signed in. It becomes more specific once the caller is known.
   */
  readonly subject: string;
  /** Whether the work has sent anything to PostgreSQL: see sent.ts. */
  isSent: boolean;
  /** Calls `listener` when nobody waits for the answer any more. Returns the function that removes the listener. */
  onGone(listener: () => void): () => void;
}

const current = new AsyncLocalStorage<Requester | undefined>();

/** Runs the work, and everything that it starts, for this requester. */
export function workFor<T>(requester: Requester, work: () => T): T {
  return current.run(requester, work);
}

/**
 * Runs the work for the service itself. A timer or a shared task that a request has started would otherwise run for the
 * requester of that request, and end with the request.
 */
export function workForService<T>(work: () => T): T {
  return current.run(undefined, work);
}

/** The requester of the current code, or undefined for the service's own work. */
export function currentRequester(): Requester | undefined {
  return current.getStore();
}

export const organizationSubject = (id: string) => `organization ${id}`;
export const userSubject = (id: string) => `user ${id}`;
export const clientSubject = (id: string) => `client ${id}`;
export const networkSubject = (network: string) => `network ${network}`;
