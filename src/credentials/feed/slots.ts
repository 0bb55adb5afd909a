// Limits on open streams, or on documents that are being read. The total is limited to bound sockets and memory. Each
// client and each organization has a limit, so that none can use up the slots of the others. All organizations together
// have a limit, so that they leave slots for the clients of the installation, which verify the tokens of all users.
import { problem } from '../../base/errors/problem.ts';

export interface FeedSlots {
  /**
   * Takes a slot for a client of an organization. If the organization is null, takes one for a client of the
   * installation. Returns the function that releases the slot. A second call of that function does nothing. Raises
   * too_many_requests, service_busy.
   */
  take(clientId: string, organizationId: string | null): () => void;
  taken(): number;
}

const RETRY_AFTER_SECONDS = 5;

export function createFeedSlots({
  max,
  perClientMax,
}: {
  readonly max: number;
  readonly perClientMax: number;
}): FeedSlots {
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
        const detail = `This client has ${perClientMax} streams or documents open: close one, or share one.`;
        throw problem('too_many_requests', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      if (organizationId !== null && (counts.get(organizationId) ?? 0) >= perOrganizationMax) {
        const detail = `Clients of this organization have ${perOrganizationMax} streams or documents open: close one.`;
        throw problem('too_many_requests', { detail, retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      const isFull = taken >= max || (organizationId !== null && ofOrganizations >= ofOrganizationsMax);
      if (isFull) throw problem('service_busy', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      const countAll = (by: number) => {
        taken += by;
        count(clientId, by);
        if (organizationId === null) return;
        ofOrganizations += by;
        count(organizationId, by);
      };
      countAll(1);
      let isReleased = false;
      return () => {
        if (isReleased) return;
        isReleased = true;
        countAll(-1);
      };
    },
    taken: () => taken,
  };
}
