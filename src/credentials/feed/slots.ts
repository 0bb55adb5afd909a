// How many streams may be open: in all, so that sockets and memory are bounded; for each client and each organization, so
// that none takes the places of the others; and for all organizations, so that those who verify everybody's tokens find one.
import { problem } from '../../base/errors/problem.ts';

export interface Places {
  /**
   * Takes a place for a client of an organization, or, with null, of the installation, and gives the function that gives
   * it back, which may be called again. Raises too_many_requests, service_busy.
   */
  take(clientId: string, organizationId: string | null): () => void;
  taken(): number;
}

const COME_AGAIN_SECONDS = 5;

export function createPlaces({ max, perClientMax }: { readonly max: number; readonly perClientMax: number }): Places {
  const counts = new Map<string, number>(); // by client and by organization
  const perOrganizationMax = Math.max(perClientMax, Math.floor(max / 10));
  const ofOrganizationsMax = Math.max(1, Math.floor(max * 0.8));
  let taken = 0;
  let ofOrganizations = 0;
  const count = (id: string, by: number) => {
    const left = (counts.get(id) ?? 0) + by;
    if (left === 0) counts.delete(id);
    else counts.set(id, left);
  };
  return {
    take(clientId, organizationId) {
      const own = counts.get(clientId) ?? 0;
      if (own >= perClientMax) {
        const detail = `This client has ${perClientMax} streams open already: close one, or share one.`;
        throw problem('too_many_requests', { detail, retryAfterSeconds: COME_AGAIN_SECONDS });
      }
      if (organizationId !== null && (counts.get(organizationId) ?? 0) >= perOrganizationMax) {
        const detail = `The clients of this organization have ${perOrganizationMax} streams open already: close one.`;
        throw problem('too_many_requests', { detail, retryAfterSeconds: COME_AGAIN_SECONDS });
      }
      const isFull = taken >= max || (organizationId !== null && ofOrganizations >= ofOrganizationsMax);
      if (isFull) throw problem('service_busy', { retryAfterSeconds: COME_AGAIN_SECONDS });
      const countAll = (by: number) => {
        taken += by;
        count(clientId, by);
        if (organizationId === null) return;
        ofOrganizations += by;
        count(organizationId, by);
      };
      countAll(1);
      let given = false;
      return () => {
        if (given) return;
        given = true;
        countAll(-1);
      };
    },
    taken: () => taken,
  };
}
