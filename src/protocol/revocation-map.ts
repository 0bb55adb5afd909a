// The revocations that a process knows, in memory: five look-ups a token, no I/O. Where they come from is the owner's
// matter: the service reads its database and stream, a verifier the feed.
import { createAgingMap } from './aging-map.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from './revocation.ts';

export interface RevocationMap {
  /** Takes an event in, in any order and any number of times; whether it was news. */
  add(revocation: Revocation): boolean;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** The newest epoch known of a user or client, 0 for none. */
  epochOf(id: string): number;
  isSuspended(organizationId: string): boolean;
  /** Everything that is remembered, one event after the other: what comes between two of them may be left out. */
  events(): Generator<Revocation>;
  /** Drops what no unexpired token can meet any more, or some thousands of it; whether there may be more to drop. */
  forgetOld(): boolean;
}

interface Epoch {
  readonly kind: 'user' | 'client';
  readonly epoch: number;
  readonly since: number;
}

interface OrganizationState {
  readonly suspended: boolean;
  readonly at: number;
  readonly since: number;
}

/** Takes some 2 ms. */
const FORGOTTEN_AT_ONCE = 5_000;

/**
 * An empty map that remembers each event for so many seconds from the first time it is heard of: no token that it
 * concerns is issued after it. `seconds` is a clock that never steps: a step must not forget what still has to be refused.
 */
export function createRevocationMap(seconds: () => number, rememberedSeconds: number): RevocationMap {
  const sessions = createAgingMap<number>();
  const epochs = createAgingMap<Epoch>();
  const organizations = createAgingMap<OrganizationState>();
  const now = () => Math.floor(seconds()); // whole numbers take no memory of their own
  let notBefore = 0;

  function addEpoch(kind: 'user' | 'client', id: string, epoch: number): boolean {
    const known = epochs.get(id);
    if (known && known.epoch >= epoch) return false;
    epochs.put(id, { kind, epoch, since: now() });
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
    if (revocation.kind === 'client') return addEpoch('client', revocation.client_id, revocation.epoch);
    if (revocation.kind === 'everything') {
      const later = revocation.not_before > notBefore;
      if (later) notBefore = revocation.not_before;
      return later;
    }
    // Events may come in another order than they happened: the later change counts.
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
    for (const [org, { suspended, at }] of organizations.entries()) {
      yield { kind: 'organization', org, state: suspended ? 'suspended' : 'active', at };
    }
  }

  // What was so before `everything` ended concerns older tokens only, all of which are refused; after a restored backup it
  // need not even be so any more.
  function isSuspended(organizationId: string): boolean {
    const known = organizations.get(organizationId);
    return known?.suspended === true && known.at >= notBefore * 1000;
  }

  return {
    add,
    judge(token) {
      if (token.issuedAt < notBefore) return 'session_revoked';
      if (token.sessionId !== undefined && sessions.has(token.sessionId)) return 'session_revoked';
      const known = epochs.get(token.id);
      if (known !== undefined && token.epoch < known.epoch) return 'token_stale';
      if (token.organizationId !== null && isSuspended(token.organizationId)) return 'organization_suspended';
      return null;
    },
    epochOf: (id) => epochs.get(id)?.epoch ?? 0,
    isSuspended,
    events,
    forgetOld() {
      const horizon = seconds() - rememberedSeconds - 1; // since when is known to the second
      const isOld = ({ since }: { readonly since: number }) => since < horizon;
      const more = [
        sessions.drop((since) => since < horizon, FORGOTTEN_AT_ONCE),
        epochs.drop(isOld, FORGOTTEN_AT_ONCE),
        organizations.drop(isOld, FORGOTTEN_AT_ONCE),
      ];
      return more.includes(true);
    },
  };
}
