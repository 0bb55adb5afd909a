// Bounds the guessing of clients' credentials before any work is done for it: so many failures a minute for one client
// from one network, and more of them for all clients from that network. It never counts by the client alone, so that no
// stranger can lock it out elsewhere; and a credential that has just been right is let through whoever fails beside it.
import { createHash } from 'node:crypto';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';

/** One attempt, from its admission to its verdict. Exactly one of these is called. */
export interface Attempt {
  /** Whether the credential is the one that was right there last: it is the client, unless that has ended since. */
  readonly isProven: boolean;
  succeeded(): void;
  failed(): void;
  /** It came to no verdict (an outage): it does not count. */
  undecided(): void;
}

export interface ClientThrottle {
  /**
   * Admits an attempt of what claims to be a client. As long as nobody has proven to be that client from that network,
   * no more attempts are under way than may fail: the others wait for a verdict. Raises too_many_requests.
   */
  begin(attempted: { network: string; clientId: string; credential: string }): Promise<Attempt>;
}

interface Failures {
  count: number;
  /** When the window of these failures is over, in ms since 1970. */
  until: number;
}

interface ClientEntry extends Failures {
  underWay: number;
  /** The digest of the credential that was right last, and until when it is remembered. */
  right: { digest: string; until: number } | null;
  /** Those who wait for a verdict, in their order. */
  readonly waiting: PromiseWithResolvers<void>[];
}

const WINDOW_MS = 60_000;
/** Longer than a token lives: whoever asks for one only when the last is over is still known. */
const REMEMBERED_MS = 60 * 60_000;
const ENTRIES_MAX = 50_000;
/** How many clients' worth of failures a network may have. */
const NETWORK_FACTOR = 10;
const CLIENT_ID_LENGTH_MAX = 64;

function digestOf(credential: string): string {
  return createHash('sha256').update(credential).digest('base64');
}

/** At most `failuresMax` failures a minute for each client and network; with `Infinity` nobody ever waits. */
export function createClientThrottle({ clock, failuresMax }: { clock: Clock; failuresMax: number }): ClientThrottle {
  const clients = new Map<string, ClientEntry>();
  const networks = new Map<string, Failures>();
  const now = () => clock.now().getTime();
  const fresh = () => ({ count: 0, until: now() + WINDOW_MS });

  /** The entry of a key, made when missing, moved behind all others, its window begun anew when it is over. */
  function entryOf<E extends Failures>(entries: Map<string, E>, key: string, make: () => E): E {
    const entry = entries.get(key) ?? make();
    if (entry.until <= now()) Object.assign(entry, fresh());
    entries.delete(key);
    entries.set(key, entry);
    if (entries.size > ENTRIES_MAX) entries.delete(entries.keys().next().value ?? '');
    return entry;
  }

  function assertBelow({ count, until }: Failures, max: number): void {
    if (count >= max) throw problem('too_many_requests', { retryAfterSeconds: (until - now()) / 1000 });
  }

  const makeClient = (): ClientEntry => ({ ...fresh(), underWay: 0, right: null, waiting: [] });

  /** Lets as many go on as may, all where it is decided for all: waking everybody at each verdict would take N² turns. */
  function wake(entry: ClientEntry, isDecided: boolean): void {
    const places = isDecided || entry.count >= failuresMax ? Infinity : failuresMax - entry.count - entry.underWay;
    for (const { resolve } of entry.waiting.splice(0, Math.max(places, 0))) resolve();
  }

  function attemptOf(entry: ClientEntry, key: string, network: string, digest: string): Attempt {
    const isProven = entry.right !== null && entry.right.until > now() && entry.right.digest === digest;
    entry.underWay += 1;
    const settle = () => {
      entry.underWay -= 1;
      const isProvenNow = entry.right !== null && entry.right.until > now();
      wake(entry, isProvenNow || clients.get(key) !== entry); // one that was pushed out has no further verdicts
    };
    return {
      isProven,
      succeeded() {
        entry.right = { digest, until: now() + REMEMBERED_MS };
        settle();
      },
      failed() {
        if (entry.right?.digest === digest) entry.right = null; // it was right once
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
      // No entry is made for who is refused anyway: invented clients would push out those that are known.
      if (!clients.has(key)) assertBelow(entryOf(networks, network, fresh), failuresMax * NETWORK_FACTOR);
      for (;;) {
        const entry = entryOf(clients, key, makeClient);
        const proven = entry.right !== null && entry.right.until > now();
        if (proven && entry.right?.digest === digest) return attemptOf(entry, key, network, digest);
        assertBelow(entry, failuresMax);
        if (proven) return attemptOf(entry, key, network, digest);
        const failures = entryOf(networks, network, fresh);
        if (failures.count >= failuresMax * NETWORK_FACTOR) wake(entry, true); // who leaves frees no place
        assertBelow(failures, failuresMax * NETWORK_FACTOR);
        if (entry.count + entry.underWay < failuresMax) return attemptOf(entry, key, network, digest);
        const turn = Promise.withResolvers<void>();
        entry.waiting.push(turn);
        await turn.promise;
      }
    },
  };
}
