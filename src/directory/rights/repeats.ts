// Decides whether a caller who repeats a request with an Idempotency-Key may get the kept answer. The repeat is refused
// for the same reasons as a first request: the guard may not know yet that the session has ended or that the caller has
// lost a right.
import type { RepeatGuard } from '../../base/idempotency/repeat-guard.ts';
import { assertLive } from '../users/live-session.ts';
import { assertAuthorized } from './lock-and-authorize.ts';
import { FOUND_CALLER_SQL, type FoundCaller } from './store.ts';

export const repeatGuard: RepeatGuard = {
  sql: FOUND_CALLER_SQL,
  assertAllowed(found, { organizationId, permission }) {
    const caller = found as FoundCaller;
    if (organizationId !== null) return assertAuthorized(caller, permission);
    assertLive(caller);
    return null;
  },
};
