// The revocations that a process knows, in memory. The check of a token costs six look-ups and no I/O. The service
// fills the map from its database and stream. A verifier fills it from the feed.
import { createAgingMap } from './aging-map.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from './revocation.ts';

export interface RevocationMap {
  /** Adds an event, in any order and any number of times. Returns whether the event was new. */
  add(revocation: Revocation): boolean;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /**
   * The newest epoch known of a user or client, 0 for none. With an organization, the newest one known of the user or
   * of the user's membership there.
   */
  epochOf(id: string, organizationId?: string): number;
  isSuspended(organizationId: string): boolean;
  /** All remembered events, one at a time. An event that is added during the iteration may be left out. */
  events(): Generator<Revocation>;
  /** Drops some thousands of events whose tokens have all expired. Returns whether more such events may be left. */
  forgetOld(): boolean;
}

interface Epoch {
  readonly kind: 'user' | 'client';
  readonly epoch: number;
  readonly since: number;
}

interface MembershipEpoch {
  readonly epoch: number;
  readonly since: number;
}

interface OrganizationState {
  readonly suspended: boolean;
  readonly at: number;
  readonly since: number;
}

// The user comes last, because the last digits of a key decide where an aging map keeps it.
const keyOf = (org: string, sub: string) => `${org} ${sub}`;

/** Takes about 2 ms. */
const FORGOTTEN_AT_ONCE = 5_000;

/**
 * Creates an empty map that remembers each event for `rememberedSeconds` from the time it was first added. Every token
 * that the event concerns was issued before that time. `seconds` is a clock that never steps: a step must not drop an
 * event too early.
 */
export function createRevocationMap(seconds: () => number, rememberedSeconds: number): RevocationMap {
  const sessions = createAgingMap<number>();
  const epochs = createAgingMap<Epoch>();
  const memberships = createAgingMap<MembershipEpoch>();
  const organizations = createAgingMap<OrganizationState>();
  const now = () => Math.floor(seconds()); // a small integer needs no extra memory in V8
  let notBefore = 0;

  function addEpoch(kind: 'user' | 'client', id: string, epoch: number): boolean {
    const known = epochs.get(id);
    if (known && known.epoch >= epoch) return false;
    epochs.put(id, { kind, epoch, since: now() });
    return true;
  }

  function addMembership(org: string, sub: string, epoch: number): boolean {
    const key = keyOf(org, sub);
    if ((memberships.get(key)?.epoch ?? -1) >= epoch) return false;
    memberships.put(key, { epoch, since: now() });
    return true;
  }

  function addSession(sid: string): boolean {
    if (sessions.has(sid)) return false;
    sessions.put(sid, now());
    return true;
  }

  function add(revocation: Revocation): boolean {
    if (revocation.kind === 'session') return addSession(revocation.sid);
    if (revocation.kind === 'user') return addEpoch('user', revocation.sub, revocation.epoch);
    if (revocation.kind === 'membership') return addMembership(revocation.org, revocation.sub, revocation.epoch);
    if (revocation.kind === 'client') return addEpoch('client', revocation.client_id, revocation.epoch);
    if (revocation.kind === 'everything') {
      const later = revocation.not_before > notBefore;
      if (later) notBefore = revocation.not_before;
      return later;
    }
    // Events may arrive in any order: the later change counts.
    const { org, state, at } = revocation;
    const known = organizations.get(org);
    if (known && known.at >= at) return false;
    organizations.put(org, { suspended: state === 'suspended', at, since: now() });
    return true;
  }

  function* events(): Generator<Revocation> {
    if (notBefore > 0) yield { kind: 'everything', not_before: notBefore };
    for (const [sid] of sessions.entries()) yield { kind: 'session', sid };
    for (const [id, { kind, epoch }] of epochs.entries()) {
      yield kind === 'user' ? { kind, sub: id, epoch } : { kind, client_id: id, epoch };
    }
    for (const [key, { epoch }] of memberships.entries()) {
      const [org = '', sub = ''] = key.split(' ');
      yield { kind: 'membership', sub, org, epoch };
    }
    for (const [org, { suspended, at }] of organizations.entries()) {
      yield { kind: 'organization', org, state: suspended ? 'suspended' : 'active', at };
    }
  }

  // A suspension before `everything` concerns older tokens only, which are all refused. After a restored backup, the
  // organization may no longer be suspended.
  function isSuspended(organizationId: string): boolean {
    const known = organizations.get(organizationId);
    return known?.suspended === true && known.at >= notBefore * 1000;
  }

  function isStale({ id, epoch, membershipEpoch, organizationId }: RevocableToken): boolean {
    const known = epochs.get(id);
    if (known !== undefined && epoch < known.epoch) return true;
    if (organizationId === null) return false;
    const membership = memberships.get(keyOf(organizationId, id));
    return membership !== undefined && (membershipEpoch ?? epoch) < membership.epoch;
  }

  return {
    add,
    judge(token) {
      if (token.issuedAt < notBefore) return 'session_revoked';
      if (token.sessionId !== undefined && sessions.has(token.sessionId)) return 'session_revoked';
      if (isStale(token)) return 'token_stale';
      if (token.organizationId !== null && isSuspended(token.organizationId)) return 'organization_suspended';
      return null;
    },
    epochOf(id, organizationId) {
      const epoch = epochs.get(id)?.epoch ?? 0;
      if (organizationId === undefined) return epoch;
      return Math.max(epoch, memberships.get(keyOf(organizationId, id))?.epoch ?? 0);
    },
    isSuspended,
    events,
    forgetOld() {
      const horizon = seconds() - rememberedSeconds - 1; // `since` is rounded down to a second
      const isOld = ({ since }: { readonly since: number }) => since < horizon;
      const more = [
        sessions.drop((since) => since < horizon, FORGOTTEN_AT_ONCE),
        epochs.drop(isOld, FORGOTTEN_AT_ONCE),
        memberships.drop(isOld, FORGOTTEN_AT_ONCE),
        organizations.drop(isOld, FORGOTTEN_AT_ONCE),
      ];
      return more.includes(true);
    },
  };
}
