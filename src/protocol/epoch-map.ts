// The newest epochs that a process knows, of users, of their memberships and of service clients. A part of the
// revocations in memory.
import { createAgingMap } from './aging-map.ts';
import type { RevocableToken, Revocation } from './revocation.ts';

export type EpochRevocation = Extract<Revocation, { readonly epoch: number }>;

export interface EpochMap {
  /** Adds an event. Returns whether the event was new. */
  add(revocation: EpochRevocation): boolean;
  /** Whether the token is older than a change of its user or client, or of its user's membership. */
  isStale(token: RevocableToken): boolean;
  /**
   * The newest known epoch of a user or client, 0 for none. With an organization, the newest known epoch of the user or
   * of the user's membership there.
   */
  epochOf(id: string, organizationId?: string): number;
  events(): Generator<EpochRevocation>;
  /** Drops at most `most` events of each kind that were added before `horizon`. Returns whether more may be left. */
  drop(horizon: number, most: number): boolean;
}

interface Epoch {
  readonly kind: 'user' | 'client';
  readonly epoch: number;
  readonly since: number;
}

type MembershipEpoch = Omit<Epoch, 'kind'>;

// The user comes last, because the last digits of a key decide where an aging map keeps it.
const keyOf = (org: string, sub: string) => `${org} ${sub}`;

/** Creates an empty map. `now` gives the whole seconds of a clock that never steps. */
export function createEpochMap(now: () => number): EpochMap {
  const epochs = createAgingMap<Epoch>();
  const memberships = createAgingMap<MembershipEpoch>();

  return {
    add(revocation) {
      const { kind, epoch } = revocation;
      if (kind === 'membership') {
        const key = keyOf(revocation.org, revocation.sub);
        if ((memberships.get(key)?.epoch ?? -1) >= epoch) return false;
        memberships.put(key, { epoch, since: now() });
        return true;
      }
      const id = kind === 'user' ? revocation.sub : revocation.client_id;
      if ((epochs.get(id)?.epoch ?? -1) >= epoch) return false;
      epochs.put(id, { kind, epoch, since: now() });
      return true;
    },
    isStale({ id, epoch, membershipEpoch, organizationId }) {
      const known = epochs.get(id);
      if (known !== undefined && epoch < known.epoch) return true;
      if (organizationId === null) return false;
      const membership = memberships.get(keyOf(organizationId, id));
      return membership !== undefined && (membershipEpoch ?? epoch) < membership.epoch;
    },
    epochOf(id, organizationId) {
      const epoch = epochs.get(id)?.epoch ?? 0;
      if (organizationId === undefined) return epoch;
      return Math.max(epoch, memberships.get(keyOf(organizationId, id))?.epoch ?? 0);
    },
    *events() {
      for (const [id, { kind, epoch }] of epochs.entries()) {
        yield kind === 'user' ? { kind, sub: id, epoch } : { kind, client_id: id, epoch };
      }
      for (const [key, { epoch }] of memberships.entries()) {
        const [org = '', sub = ''] = key.split(' ');
        yield { kind: 'membership', sub, org, epoch };
      }
    },
    drop(horizon, most) {
      const isOld = ({ since }: { readonly since: number }) => since < horizon;
      return [epochs.drop(isOld, most), memberships.drop(isOld, most)].includes(true);
    },
  };
}
