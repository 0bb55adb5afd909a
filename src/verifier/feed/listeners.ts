// The listeners to revocations. If one of them throws, the others still get the event.
import type { Revocation } from '../../protocol/revocation.ts';

export type RevocationListener = (revocation: Revocation) => void;

export interface Listeners {
  /** Adds a listener, and returns the function that removes it. A listener that is added twice is called twice. */
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
