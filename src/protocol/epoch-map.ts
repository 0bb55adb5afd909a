// The newest epochs that a process knows, of users, of their memberships, of the roles of organizations and of service
// clients. They are a part of the revocations in memory (revocation-map.ts).
import { type AgingMap, createAgingMap } from './aging-map.ts';
import type { RevocableToken, Revocation } from './revocation.ts';

export type EpochRevocation = Extract<Revocation, { readonly epoch: number }>;

export interface EpochMap {
  /** Adds an event. Returns whether the event was new. */
  add(revocation: EpochRevocation): boolean;
  /**
   * Whether the token is older than a change of its user or client, of its user's membership or of one of its roles.
   */
  isStale(token: RevocableToken): boolean;
  /**
   * The newest known epoch of a user or client, 0 for none. With an organization, the newest known epoch of the user or
   * of the user's membership there.
   */
  epochOf(id: string, organizationId?: string): number;
  /** The newest epoch known of the roles of the organization, 0 for none. */
  rolesEpochOf(organizationId: string): number;
  events(): Generator<EpochRevocation>;
  /** Drops at most `most` events of each kind that were added before `horizon`. Returns whether more may be left. */
  drop(horizon: number, most: number): boolean;
}

interface Epoch {
  readonly kind: 'user' | 'client';
  readonly epoch: number;
  readonly since: number;
}

type KeyEpoch = Omit<Epoch, 'kind'>;

const keyOfRole = (org: string, role: string) => `${role} ${org}`;
// The user comes last, because the last digits of a key decide where an aging map keeps it.
const keyOf = (org: string, sub: string) => `${org} ${sub}`;

/** Creates an empty map. `now` gives the whole seconds of a clock that never steps. */
export function createEpochMap(now: () => number): EpochMap {
  const epochs = createAgingMap<Epoch>();
  const memberships = createAgingMap<KeyEpoch>();
  const roles = createAgingMap<KeyEpoch>();
  const organizations = createAgingMap<KeyEpoch>(); // the newest epoch of any role

  function addTo(map: AgingMap<KeyEpoch>, key: string, epoch: number): boolean {
    if ((map.get(key)?.epoch ?? -1) >= epoch) return false;
    map.put(key, { epoch, since: now() });
    return true;
  }

  return {
    add(revocation) {
      const { kind, epoch } = revocation;
      if (kind === 'membership') return addTo(memberships, keyOf(revocation.org, revocation.sub), epoch);
      if (kind === 'role') {
        addTo(organizations, revocation.org, epoch);
        return addTo(roles, keyOfRole(revocation.org, revocation.role), epoch);
      }
      const id = kind === 'user' ? revocation.sub : revocation.client_id;
      if ((epochs.get(id)?.epoch ?? -1) >= epoch) return false;
      epochs.put(id, { kind, epoch, since: now() });
      return true;
    },
    isStale({ id, epoch, membershipEpoch, roles: held, rolesEpoch, organizationId }) {
      const known = epochs.get(id);
      if (known !== undefined && epoch < known.epoch) return true;
      if (organizationId === null) return false;
      const membership = memberships.get(keyOf(organizationId, id));
      if (membership !== undefined && (membershipEpoch ?? epoch) < membership.epoch) return true;
      if (typeof rolesEpoch !== 'number' || held === undefined) return false;
      if (rolesEpoch >= (organizations.get(organizationId)?.epoch ?? 0)) return false;
      return held.some((role) => rolesEpoch < (roles.get(keyOfRole(organizationId, role))?.epoch ?? 0));
    },
    epochOf(id, organizationId) {
      const epoch = epochs.get(id)?.epoch ?? 0;
      if (organizationId === undefined) return epoch;
      return Math.max(epoch, memberships.get(keyOf(organizationId, id))?.epoch ?? 0);
    },
    rolesEpochOf: (organizationId) => organizations.get(organizationId)?.epoch ?? 0,
    *events() {
      for (const [id, { kind, epoch }] of epochs.entries()) {
        yield kind === 'user' ? { kind, sub: id, epoch } : { kind, client_id: id, epoch };
      }
      for (const [key, { epoch }] of memberships.entries()) {
        const [org = '', sub = ''] = key.split(' ');
        yield { kind: 'membership', sub, org, epoch };
      }
      for (const [key, { epoch }] of roles.entries()) {
        const end = key.lastIndexOf(' '); // the name of a role may have spaces
        yield { kind: 'role', org: key.slice(end + 1), role: key.slice(0, end), epoch };
      }
    },
    drop(horizon, most) {
      const isOld = ({ since }: { readonly since: number }) => since < horizon;
      return [epochs, memberships, roles, organizations].map((map) => map.drop(isOld, most)).includes(true);
    },
  };
}
