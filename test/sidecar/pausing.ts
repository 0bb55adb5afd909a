// A source of revocations for tests of what happens after a pause of the process.
import type { Revocation } from '../../src/protocol/revocation.ts';
import { createRevocationMap } from '../../src/protocol/revocation-map.ts';
import type { RevocationSource } from '../../src/verifier/core/contract.ts';

/** A source of revocations whose process can pause. */
export function createPausingSource() {
  const map = createRevocationMap(() => 0, Number.POSITIVE_INFINITY);
  const listeners = new Set<(revocation: Revocation) => void>();
  let isCurrent = true;
  const source: RevocationSource = {
    judge: (token) => map.judge(token),
    staleSeconds: () => (isCurrent ? 0 : Number.POSITIVE_INFINITY),
    isCurrent: () => isCurrent,
    onRevocation(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return {
    source,
    /** Ends a pause. The missed revocations are unknown until `catchUp` is called. */
    resume() {
      isCurrent = false;
    },
    /** Delivers the missed revocations. */
    catchUp(...missed: Revocation[]) {
      for (const revocation of missed) {
        map.add(revocation);
        for (const hear of listeners) hear(revocation);
      }
      isCurrent = true;
    },
  };
}
