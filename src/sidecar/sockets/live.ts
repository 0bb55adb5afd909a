// Open sockets and requests, indexed by session, user or client, and organization, so that a revocation visits only the
// entries it may concern. They are also indexed by the second at which their token ends.
import type { Revocation } from '../../protocol/revocation.ts';
import type { VerificationCode, VerifiedPrincipal, Verifier } from '../../verifier/core/contract.ts';

export interface Live {
  /** The principal of the newest token. */
  principal(): VerifiedPrincipal;
  /** Continues with another token of the same user or client and organization. */
  renew(principal: VerifiedPrincipal): void;
  /** Returns why the entry must end now, or null if it need not end. */
  judge(): VerificationCode | null;
  /** Removes the entry from the index. */
  remove(): void;
}

export interface LiveIndex {
  /**
   * Adds an entry. `end` is called at most once, with the reason, when the entry must end. For expiry, it is called
   * `graceSeconds` later.
   */
  add(principal: VerifiedPrincipal, end: (code: VerificationCode) => void, graceSeconds?: number): Live;
  /** Ends every entry whose token has expired and whose grace is over. */
  sweep(): void;
  size(): number;
  close(): void;
}

interface Entry {
  principal: VerifiedPrincipal;
  /** The session of the first token, which the upstream knows, and that of the newest token. */
  readonly sessions: Set<string>;
  /** The key of the first token, from which the upstream knows its caller. */
  readonly firstKeyId: string | undefined;
  endsAt: number;
  readonly graceSeconds: number;
  readonly end: (code: VerificationCode) => void;
}

// How often the index looks for entries that have expired.
const SWEEP_MILLISECONDS = 200;

/** Sets of entries by a key, without empty sets. */
function createIndex<Key>() {
  const sets = new Map<Key, Set<Entry>>();
  return {
    sets,
    add(key: Key, entry: Entry) {
      const set = sets.get(key);
      if (set) set.add(entry);
      else sets.set(key, new Set([entry]));
    },
    remove(key: Key, entry: Entry) {
      const set = sets.get(key);
      if (set?.delete(entry) && set.size === 0) sets.delete(key);
    },
  };
}

/** All entries. They are found by the ids that a revocation names and by the second at which they end. */
function createIndexes() {
  const all = new Set<Entry>();
  const bySession = createIndex<string>();
  const bySubject = createIndex<string>();
  const byOrganization = createIndex<string>();
  const bySecond = createIndex<number>();
  return {
    all,
    bySecond: bySecond.sets,
    add(entry: Entry): void {
      const { principal } = entry;
      all.add(entry);
      for (const sid of entry.sessions) bySession.add(sid, entry);
      bySubject.add(principal.id, entry);
      if (principal.organizationId !== null) byOrganization.add(principal.organizationId, entry);
      bySecond.add(entry.endsAt, entry);
    },
    remove(entry: Entry): void {
      if (!all.delete(entry)) return;
      const { principal } = entry;
      for (const sid of entry.sessions) bySession.remove(sid, entry);
      bySubject.remove(principal.id, entry);
      if (principal.organizationId !== null) byOrganization.remove(principal.organizationId, entry);
      bySecond.remove(entry.endsAt, entry);
    },
    /** The entries that a revocation may concern. */
    affectedBy(revocation: Revocation): ReadonlySet<Entry> | undefined {
      if (revocation.kind === 'session') return bySession.sets.get(revocation.sid);
      if (revocation.kind === 'user' || revocation.kind === 'membership') return bySubject.sets.get(revocation.sub);
      if (revocation.kind === 'client') return bySubject.sets.get(revocation.client_id);
      if (revocation.kind === 'organization' || revocation.kind === 'role')
        return byOrganization.sets.get(revocation.org);
      return all; // a restored backup or a revoked key may concern any entry
    },
  };
}

/** Creates the index and begins to follow the verifier's revocations and the clock. */
export function createLiveIndex(verifier: Verifier, now: () => number): LiveIndex {
  const entries = createIndexes();

  function finish(entry: Entry, code: VerificationCode): void {
    if (!entries.all.has(entry)) return;
    entries.remove(entry);
    entry.end(code);
  }

  const unfollow = verifier.onRevocation((revocation) => {
    for (const entry of [...(entries.affectedBy(revocation) ?? [])]) {
      const code = ofFirstToken(revocation, entry) ?? revoked(verifier, entry.principal);
      if (code) finish(entry, code);
    }
  });

  function sweep(): void {
    const second = Math.floor(now() / 1000);
    for (const [endsAt, ending] of entries.bySecond) {
      if (endsAt <= second) for (const entry of [...ending]) finish(entry, 'token_expired');
    }
  }
  const timer = setInterval(sweep, SWEEP_MILLISECONDS).unref();

  function add(principal: VerifiedPrincipal, end: Entry['end'], graceSeconds = 0): Live {
    const sessions = new Set(principal.kind === 'user' ? [principal.sessionId] : []);
    const endsAt = principal.expiresAt + graceSeconds;
    const entry: Entry = { principal, sessions, firstKeyId: principal.keyId, endsAt, graceSeconds, end };
    entries.add(entry);
    return {
      principal: () => entry.principal,
      renew(next) {
        if (!entries.all.has(entry)) return;
        const first = [...entry.sessions][0];
        entries.remove(entry);
        entry.principal = next;
        entry.sessions.clear();
        if (first !== undefined) entry.sessions.add(first);
        if (next.kind === 'user') entry.sessions.add(next.sessionId);
        entry.endsAt = next.expiresAt + entry.graceSeconds;
        entries.add(entry);
      },
      judge: () => (now() >= entry.endsAt * 1000 ? 'token_expired' : revoked(verifier, entry.principal)),
      remove: () => entries.remove(entry),
    };
  }

  return {
    add,
    sweep,
    size: () => entries.all.size,
    close() {
      clearInterval(timer);
      unfollow();
    },
  };
}

// The session and the key of the first token also count, in addition to those of the newest token: the upstream knows
// its caller from the first token.
function ofFirstToken(revocation: Revocation, { firstKeyId }: Entry): VerificationCode | null {
  if (revocation.kind === 'session') return 'session_revoked'; // only the entries of this session are visited
  return revocation.kind === 'key' && revocation.kid === firstKeyId ? 'invalid_token' : null;
}

// The index judges expiry by `endsAt`. The verifier's judgement of expiry is ignored, because it has a tolerance.
function revoked(verifier: Verifier, principal: VerifiedPrincipal): VerificationCode | null {
  const code = verifier.judge(principal);
  return code === 'token_expired' ? null : code;
}
