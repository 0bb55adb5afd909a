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
    /** The end of a pause. Until `catchUp`, what was missed is unknown. */
    resume() {
      isCurrent = false;
    },
    /** What was missed arrives. */
    catchUp(...missed: Revocation[]) {
      for (const revocation of missed) {
        map.add(revocation);
        for (const hear of listeners) hear(revocation);
      }
      isCurrent = true;
    },
  };
}
