// Waits until the verifier can judge tokens: keys first, then revocations, within a time limit.
import type { Timing } from './clock.ts';
import type { KeySource, RevocationSource, VerificationCode } from './contract.ts';
import { VerificationError } from './error.ts';

export interface ReadinessDeps {
  readonly keys: KeySource;
  readonly revocations: RevocationSource;
  readonly timing: Timing;
  /** The message of the error when the time is over, and its cause if one is known. */
  readonly why: () => { readonly message?: string; readonly cause?: Error };
}

export interface Readiness {
  /**
   * Resolves once keys and revocations are known. Raises VerificationError when that takes too long, and after
   * `giveUp`.
   */
  wait(timeoutSeconds: number): Promise<void>;
  /** Ends every wait at once. */
  giveUp(): void;
}

/** Returns the functions that wait for the sources of keys and revocations. */
export function createReadiness({ keys, revocations, timing, why }: ReadinessDeps): Readiness {
  const waiting = new Set<() => void>();
  return {
    async wait(timeoutSeconds) {
      let waitsFor: VerificationCode = 'keys_unavailable';
      const known = (async () => {
        await keys.ready?.();
        waitsFor = 'revocations_stale';
        await revocations.ready?.();
      })();
      let giveUp = () => {};
      const late = new Promise<never>((_, reject) => {
        giveUp = () => reject(new VerificationError(waitsFor, why()));
      });
      const cancel = timing.after(timeoutSeconds * 1000, giveUp, 'waits');
      waiting.add(giveUp);
      await Promise.race([known, late]).finally(() => {
        cancel();
        waiting.delete(giveUp);
      });
    },
    giveUp() {
      for (const end of waiting) end();
    },
  };
}
