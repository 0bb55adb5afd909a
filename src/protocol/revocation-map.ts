// The revocations that a process knows, in memory: five look-ups a token, no I/O. Where they come from is the owner's
// matter: the service reads its database and stream, a verifier the feed.
import type { RevocableToken, Revocation, RevocationVerdict } from './revocation.ts';

export interface RevocationMap {
  /** Takes an event in, in any order and any number of times; whether it was news. */
  add(revocation: Revocation): boolean;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** The newest epoch known of a user or client, 0 for none. */
  epochOf(id: string): number;
  isSuspended(organizationId: string): boolean;
  /** Everything that is remembered, as events. */
  list(): Revocation[];
  /** Drops what no unexpired token can meet any more. */
  forgetOld(): void;
  size(): number;
}

interface Epoch {
  readonly kind: 'user' | 'client';
  readonly epoch: number;
  readonly seen: number;
}

/**
 * An empty map that remembers each event for so many seconds. `seconds` is a clock that never steps: a step must not
 * forget what still has to be refused.
 */
export function createRevocationMap(seconds: () => number, rememberedSeconds: number): RevocationMap {
  const sessions = new Map<string, number>();
  const epochs = new Map<string, Epoch>();
  const organizations = new Map<string, { suspended: boolean; at: number; seen: number }>();
  let notBefore = 0;

  function addEpoch(kind: 'user' | 'client', id: string, epoch: number): boolean {
    const known = epochs.get(id)?.epoch ?? -1;
    epochs.set(id, { kind, epoch: Math.max(known, epoch), seen: seconds() });
    return epoch > known;
  }

  function addSession(sid: string): boolean {
    const known = sessions.has(sid);
    sessions.set(sid, seconds());
    return !known;
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
    if (known && known.at > at) return false;
    organizations.set(org, { suspended: state === 'suspended', at, seen: seconds() });
    return known?.at !== at;
  }

  const isSuspended = (organizationId: string) => organizations.get(organizationId)?.suspended === true;

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
    list: () => [
      ...(notBefore > 0 ? [{ kind: 'everything', not_before: notBefore } as const] : []),
      ...[...sessions.keys()].map((sid) => ({ kind: 'session', sid }) as const),
      ...[...epochs].map(([id, { kind, epoch }]) =>
        kind === 'user' ? ({ kind, sub: id, epoch } as const) : ({ kind, client_id: id, epoch } as const),
      ),
      ...[...organizations].map(
        ([org, { suspended, at }]) =>
          ({ kind: 'organization', org, state: suspended ? 'suspended' : 'active', at }) as const,
      ),
    ],
    forgetOld() {
      const horizon = seconds() - rememberedSeconds;
      for (const [sid, seen] of sessions) if (seen < horizon) sessions.delete(sid);
      for (const [id, { seen }] of epochs) if (seen < horizon) epochs.delete(id);
      for (const [org, { seen }] of organizations) if (seen < horizon) organizations.delete(org);
    },
    size: () => sessions.size + epochs.size + organizations.size,
  };
}
