// Limits the guessing of clients' credentials before any expensive work. It counts the failures per minute for one
// client from one network, and, with a higher limit, for all clients from that network. Failures are never counted per
// client alone, so that nobody can lock out a client in another network. A credential that was right recently is
// admitted even while other attempts fail.
import { createHash } from 'node:crypto';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';

/** One attempt. The caller calls exactly one of the methods, once. */
export interface Attempt {
  /**
   * Whether the credential is the same as the last one that was right. If so, the request is from the client, unless
   * the secret has ended since then.
   */
  readonly isProven: boolean;
  succeeded(): void;
  failed(): void;
  /** The credential was not checked, because of an outage. The attempt does not count. */
  undecided(): void;
}

export interface ClientThrottle {
  /**
   * Admits an attempt to authenticate as a client. Until an attempt from that network has succeeded for that client,
   * the number of running attempts is limited to the number of failures that are still allowed. Other attempts wait.
   * Raises too_many_requests.
   */
  begin(attempted: { network: string; clientId: string; credential: string }): Promise<Attempt>;
  /** The number of clients and of networks that are remembered. */
  readonly size: number;
}

interface Failures {
  count: number;
  /** When the window of these failures ends, in ms since 1970. */
  until: number;
}

interface ClientEntry extends Failures {
  underWay: number;
  /** The digest of the last right credential, and the instant until which the digest is remembered. */
  right: { digest: string; until: number } | null;
  /** The attempts that wait, in the order in which they came. */
  readonly waiting: PromiseWithResolvers<void>[];
}

const WINDOW_MS = 60_000;
/**
 * How long a right credential is remembered. This is longer than the life of a token, so a client that requests a token
 * only after the last token has expired is still known.
 */
const REMEMBERED_MS = 60 * 60_000;
const ENTRIES_MAX = 50_000;
/** The limit of failures of a network is this many times the limit of one client. */
const NETWORK_FACTOR = 10;
const CLIENT_ID_LENGTH_MAX = 64;

function digestOf(credential: string): string {
  return createHash('sha256').update(credential).digest('base64');
}

function assertBelow({ count, until }: Failures, max: number, now: number): void {
  if (count >= max) throw problem('too_many_requests', { retryAfterSeconds: (until - now) / 1000 });
}

/** The oldest entries are removed when they have no effect any more, or when there are too many. */
function dropOld(entries: Map<string, Failures & Partial<ClientEntry>>, now: number): void {
  for (const [oldest, { until, right, underWay = 0, waiting = [] }] of entries) {
    const isInUse = until > now || underWay > 0 || waiting.length > 0 || (right?.until ?? 0) > now;
    if (isInUse && entries.size <= ENTRIES_MAX) return;
    entries.delete(oldest);
  }
}

/**
 * Allows `failuresMax` failures in a minute for each pair of client and network. With `Infinity` the throttle is off.
 */
export function createClientThrottle({ clock, failuresMax }: { clock: Clock; failuresMax: number }): ClientThrottle {
  const clients = new Map<string, ClientEntry>();
  const networks = new Map<string, Failures>();
  const now = () => clock.now().getTime();
  const fresh = () => ({ count: 0, until: now() + WINDOW_MS });

  /** Returns the entry of a key, and makes it the newest. Creates a missing entry, and renews a window that is over. */
  function entryOf<E extends Failures>(entries: Map<string, E>, key: string, make: () => E): E {
    const entry = entries.get(key) ?? make();
    if (entry.until <= now()) Object.assign(entry, fresh());
    entries.delete(key);
    entries.set(key, entry);
    dropOld(entries, now());
    return entry;
  }

  const makeClient = (): ClientEntry => ({ ...fresh(), underWay: 0, right: null, waiting: [] });

  /**
   * Wakes as many waiting attempts as may run, or all of them with `isDecided`. If every attempt woke each time, N
   * attempts would take N² steps.
   */
  function wake(entry: ClientEntry, isDecided: boolean): void {
    const slots = isDecided || entry.count >= failuresMax ? Infinity : failuresMax - entry.count - entry.underWay;
    for (const { resolve } of entry.waiting.splice(0, Math.max(slots, 0))) resolve();
  }

  function attemptOf(entry: ClientEntry, key: string, network: string, digest: string): Attempt {
    const isProven = entry.right !== null && entry.right.until > now() && entry.right.digest === digest;
    entry.underWay += 1;
    const settle = () => {
      entry.underWay -= 1;
      const isProvenNow = entry.right !== null && entry.right.until > now();
      wake(entry, isProvenNow || clients.get(key) !== entry); // an evicted entry gets no further results
    };
    return {
      isProven,
      succeeded() {
        entry.right = { digest, until: now() + REMEMBERED_MS };
        settle();
      },
      failed() {
        if (entry.right?.digest === digest) entry.right = null; // the credential is no longer right
        entry.count += 1;
        entryOf(networks, network, fresh).count += 1;
        settle();
      },
      undecided: settle,
    };
  }

  return {
    async begin({ network, clientId, credential }) {
      const key = `${network} ${clientId.slice(0, CLIENT_ID_LENGTH_MAX)}`;
      const digest = digestOf(credential);
      // A refused attempt creates no entry of a client. Otherwise invented client ids would evict known clients.
      if (!clients.has(key)) assertBelow(entryOf(networks, network, fresh), failuresMax * NETWORK_FACTOR, now());
      for (;;) {
        const entry = entryOf(clients, key, makeClient);
        const proven = entry.right !== null && entry.right.until > now();
        if (proven && entry.right?.digest === digest) return attemptOf(entry, key, network, digest);
        assertBelow(entry, failuresMax, now());
        if (proven) return attemptOf(entry, key, network, digest);
        const failures = entryOf(networks, network, fresh);
        if (failures.count >= failuresMax * NETWORK_FACTOR) wake(entry, true); // refused attempts free no slot
        assertBelow(failures, failuresMax * NETWORK_FACTOR, now());
        if (entry.count + entry.underWay < failuresMax) return attemptOf(entry, key, network, digest);
        const turn = Promise.withResolvers<void>();
        entry.waiting.push(turn);
        await turn.promise;
      }
    },
    get size() {
      return clients.size + networks.size;
    },
  };
}
