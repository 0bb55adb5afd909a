// Those who want to hear of revocations. One that throws keeps nobody else from hearing.
import type { Revocation } from '../../protocol/revocation.ts';

export type RevocationListener = (revocation: Revocation) => void;

export interface Listeners {
  /** Gives the function that ends it. A listener that is added twice hears twice. */
  add(listener: RevocationListener): () => void;
  tell(revocation: Revocation): void;
}

export function createListeners(onError: (error: Error) => void): Listeners {
  const listeners = new Set<{ readonly hear: RevocationListener }>();
  return {
    add(hear) {
      const own = { hear };
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    tell(revocation) {
      for (const { hear } of [...listeners]) {
        try {
          hear(revocation);
        } catch (error) {
          onError(error instanceof Error ? error : new Error(String(error)));
        }
      }
    },
  };
}
