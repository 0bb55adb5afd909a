// The revocations that a process knows, in memory. The check of a token costs at most six lookups, and one for each of
// its roles after a change of a role. It needs no I/O. The service fills the map from its database and stream. A
// verifier fills it from the feed.
import { createAgingMap } from './aging-map.ts';
import { createEpochMap } from './epoch-map.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from './revocation.ts';

export interface RevocationMap {
  /** Adds an event, in any order and any number of times. Returns whether the event was new. */
  add(revocation: Revocation): boolean;
  /** Returns why a token must be refused, or null if no known revocation concerns it. */
  judge(token: RevocableToken): RevocationVerdict;
  /**
   * The newest known epoch of a user or client, 0 for none. With an organization, the newest known epoch of the user or
   * of the user's membership there.
   */
  epochOf(id: string, organizationId?: string): number;
  /** The newest epoch known of the roles of the organization, 0 for none. */
  rolesEpochOf(organizationId: string): number;
  isSuspended(organizationId: string): boolean;
  isKeyRevoked(kid: string): boolean;
  /** All remembered events, one at a time. An event that is added during the iteration may be left out. */
  events(): Generator<Revocation>;
  /** Drops a few thousand events whose tokens have all expired. Returns whether more such events may be left. */
  forgetOld(): boolean;
}

interface OrganizationState {
  readonly suspended: boolean;
  readonly at: number;
  readonly since: number;
}

/** Dropping this many events takes about 2 ms. */
const FORGOTTEN_AT_ONCE = 5_000;

/**
 * Creates an empty map that remembers each event for `rememberedSeconds` from the time it was first added. Every token
 * that the event concerns was issued before that time. Revoked keys are never forgotten, because somebody who has a
 * leaked key can sign new tokens at any time. The newest event about everything is kept, too. `seconds` is a clock
 * that never steps: a step must not drop an event too early.
 */
export function createRevocationMap(seconds: () => number, rememberedSeconds: number): RevocationMap {
  const sessions = createAgingMap<number>();
  const organizations = createAgingMap<OrganizationState>();
  const keys = new Set<string>();
  const now = () => Math.floor(seconds()); // a small integer needs no extra memory in V8
  const epochs = createEpochMap(now);
  let notBefore = 0;

  function addSession(sid: string): boolean {
    if (sessions.has(sid)) return false;
    sessions.put(sid, now());
    return true;
  }

  function addKey(kid: string): boolean {
    if (keys.has(kid)) return false;
    keys.add(kid);
    return true;
  }

  function add(revocation: Revocation): boolean {
    if (revocation.kind === 'session') return addSession(revocation.sid);
    if (revocation.kind === 'key') return addKey(revocation.kid);
    if ('epoch' in revocation) return epochs.add(revocation);
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
    for (const kid of keys) yield { kind: 'key', kid };
    for (const [sid] of sessions.entries()) yield { kind: 'session', sid };
    yield* epochs.events();
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

  return {
    add,
    judge(token) {
      if (token.keyId !== undefined && keys.has(token.keyId)) return 'invalid_token';
      if (token.issuedAt < notBefore) return 'session_revoked';
      if (token.sessionId !== undefined && sessions.has(token.sessionId)) return 'session_revoked';
      if (epochs.isStale(token)) return 'token_stale';
      if (token.organizationId !== null && isSuspended(token.organizationId)) return 'organization_suspended';
      return null;
    },
    ...{ epochOf: epochs.epochOf, rolesEpochOf: epochs.rolesEpochOf },
    isSuspended,
    isKeyRevoked: (kid) => keys.has(kid),
    events,
    forgetOld() {
      const horizon = seconds() - rememberedSeconds - 1; // `since` is rounded down to a second
      const isOld = ({ since }: { readonly since: number }) => since < horizon;
      const more = [
        sessions.drop((since) => since < horizon, FORGOTTEN_AT_ONCE),
        epochs.drop(horizon, FORGOTTEN_AT_ONCE),
        organizations.drop(isOld, FORGOTTEN_AT_ONCE),
      ];
      return more.includes(true);
    },
  };
}
