// How many streams may be open: in all, so that sockets and memory are bounded, and for each client, so that none takes
// the places of the others.
import { problem } from '../errors.ts';

export interface Places {
  /** Takes a place and gives the function that gives it back, which may be called again. Raises too_many_requests, service_busy. */
  take(clientId: string): () => void;
  taken(): number;
}

const COME_AGAIN_SECONDS = 5;

export function createPlaces({ max, perClientMax }: { readonly max: number; readonly perClientMax: number }): Places {
  const counts = new Map<string, number>();
  let taken = 0;
  return {
    take(clientId) {
      const own = counts.get(clientId) ?? 0;
      if (own >= perClientMax) {
        const detail = `This client has ${perClientMax} streams open already: close one, or share one.`;
        throw problem('too_many_requests', { detail, retryAfterSeconds: COME_AGAIN_SECONDS });
      }
      if (taken >= max) throw problem('service_busy', { retryAfterSeconds: COME_AGAIN_SECONDS });
      counts.set(clientId, own + 1);
      taken += 1;
      let given = false;
      return () => {
        if (given) return;
        given = true;
        taken -= 1;
        const left = (counts.get(clientId) ?? 1) - 1;
        if (left === 0) counts.delete(clientId);
        else counts.set(clientId, left);
      };
    },
    taken: () => taken,
  };
}
