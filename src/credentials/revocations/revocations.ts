// The revocations that this process knows, in memory: five look-ups a token and no I/O. PostgreSQL is the truth and is
// read every second; what this process revokes is known here at once, what others revoke also by the stream, where there
// is one.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../../base/database/db.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { RedisSettings } from '../../base/platform/redis.ts';
import { ACCESS_TTL_MAX_SECONDS } from '../../protocol/claims.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../../protocol/revocation.ts';
import { createRevocationMap } from '../../protocol/revocation-map.ts';
import { openStream } from '../stream/stream.ts';
import { SENT_AT_ONCE_MAX, type StreamWriter } from '../stream/writer.ts';
import { createFollower } from './follow.ts';
import { deleteRevocations, listRevocations, type RevocationPage, type RevocationPlace, type Seen } from './store.ts';

export interface Revocations {
  /**
   * Makes this process refuse from now on, and tells the others where there is a stream. Called after the commit that
   * wrote the revocations, however many; resolves when this process knows them, which of a few is at once. Never raises.
   */
  publish(revocations: readonly Revocation[]): Promise<void>;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /** The newest epoch known of a user or client, 0 for none: what was read with a lower one has changed since. */
  epochOf(id: string): number;
  isSuspended(organizationId: string): boolean;
  /** How long ago the last complete reading of PostgreSQL began: what others did before it is known. */
  readSecondsAgo(): number;
  /**
   * How long ago this process last knew everything, be it from PostgreSQL or by the stream.
   *
   * The stream counts while it has been followed without a gap since a complete reading of PostgreSQL. So with PostgreSQL
   * out of this process's reach alone, what others revoke still arrives. It takes two faults at once to make this number
   * too small: that, and a writer that was killed between its commit and its entry, or cannot reach Redis at the same
   * time (once it can, its first entry says that there is more, which counts as a gap here). One fault alone never does.
   */
  freshSecondsAgo(): number;
  /** Whether the stream is there in both directions; null where there is none. */
  isStreaming(): boolean | null;
  /** Everything that is remembered, one event after the other: what comes between two of them may be left out. */
  events(): Generator<Revocation>;
  /** From where somebody who knows everything in `events()` has to read on: see `RevocationCursor`. */
  cursor(): RevocationCursor;
  /** Called with each event that is news to this process; gives the function that ends it. */
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** Reads what others revoked. Raises DatabaseUnavailable, and LoopStopped after close. */
  synchronize(): Promise<void>;
  /** Starts reading every second, and the stream, until close. */
  follow(): void;
  /** Reads nothing more; resolves when the reading under way has ended, or will not within a moment. */
  close(): Promise<void>;
}

/** A place in PostgreSQL's order of transactions, the same for every replica. */
export interface RevocationCursor {
  /** All transactions before this one have been read (64 bit, decimal). */
  readonly tx: string;
  /** The database's clock at that reading, in ms since 1970; 0 before the first one. */
  readonly at: number;
}

/** How far this process has read. */
interface Reading extends RevocationCursor {
  /** What it could see, as PostgreSQL writes a snapshot; null for nothing. */
  readonly snapshot: string | null;
}

const NOTHING_READ: Reading = { tx: '0', at: 0, snapshot: null };

/**
 * How long an entry is remembered: the longest life that any configuration allows (a token may be older than the present
 * one), and some more.
 */
export const REVOCATIONS_REMEMBERED_SECONDS = ACCESS_TTL_MAX_SECONDS + 60;
/**
 * How long rows stay in PostgreSQL: an hour longer than any process looks back for them, so that one which could not
 * read for a while, or a statement that commits long after its row was stamped, finds what it has to.
 */
const ROWS_KEPT_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 3600;
/** How old a row may be that is still read: it may have been stamped long before its transaction was committed. */
export const READ_WITHIN_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 600;
/** Rows of one statement: many users may be revoked at once, when a role changes that they all hold. Takes some 5 ms. */
const PAGE_ROWS = 2_000;
/** How far an instant of the database may lie before its clock as it is known here. */
const CLOCK_TOLERANCE_MS = 60_000;
/** The stream is proven every second while nothing happens. */
const STREAM_SILENCE_SECONDS_MAX = 4;

export interface RevocationsDeps {
  readonly db: Database;
  readonly log: Log;
  /** Where the stream is; none for null. */
  readonly redis?: RedisSettings | null;
}

/** Opens an empty map; `synchronize` fills it. Entries are forgotten once no unexpired token can meet them. */
export function openRevocations(deps: RevocationsDeps): Revocations {
  // Of a clock that never steps: a step must not forget what still has to be refused.
  const seconds = () => monotonicMs() / 1000;
  const map = createRevocationMap(seconds, REVOCATIONS_REMEMBERED_SECONDS);
  const listeners = new Set<(revocation: Revocation) => void>();
  let reading = NOTHING_READ;
  let readAt = Number.NEGATIVE_INFINITY; // when the last complete reading began, in seconds
  let gapAt = Number.POSITIVE_INFINITY; // what the stream told up to then is not everything
  let wholeAt = Number.NEGATIVE_INFINITY; // the stream was read to its end
  let stream: StreamWriter | undefined;

  function take(revocation: Revocation): void {
    if (!map.add(revocation)) return;
    for (const listener of listeners) {
      try {
        listener(revocation);
      } catch (error) {
        deps.log.error({ err: error }, 'a revocation was not passed on'); // by one who listens: the others hear of it
      }
    }
  }

  async function readAll(): Promise<void> {
    const begun = seconds();
    reading = await readRevocations(deps.db, reading, take);
    readAt = begun;
    while (map.forgetOld()) await nextTurn();
  }

  const follower = createFollower({ readAll, log: deps.log });

  function onGap(): void {
    gapAt = seconds();
    follower.nudge();
  }

  function takeFromStream(revocation: Revocation): void {
    // An instant that the database has not come to is none of its own, and would outdo all that are.
    const latest = reading.at + (seconds() - readAt) * 1000 + CLOCK_TOLERANCE_MS;
    const isOfDatabase = revocation.kind !== 'organization' || (reading.at > 0 && revocation.at <= latest);
    if (!isOfDatabase) onGap();
    else take(revocation);
  }

  async function publish(revocations: readonly Revocation[]): Promise<void> {
    if (revocations.length <= SENT_AT_ONCE_MAX) {
      for (const revocation of revocations) {
        take(revocation);
        stream?.send(revocation);
      }
      return;
    }
    stream?.sendMore();
    for (let at = 0; at < revocations.length; at += SENT_AT_ONCE_MAX) {
      revocations.slice(at, at + SENT_AT_ONCE_MAX).forEach(take);
      await nextTurn();
    }
  }

  function openOwnStream(settings: RedisSettings): StreamWriter {
    const onWhole = (atMs: number) => {
      wholeAt = atMs / 1000;
    };
    return openStream({
      settings,
      log: deps.log,
      keptSeconds: REVOCATIONS_REMEMBERED_SECONDS,
      take: takeFromStream,
      onGap,
      onWhole,
    });
  }

  return {
    publish,
    judge: map.judge,
    epochOf: map.epochOf,
    isSuspended: map.isSuspended,
    readSecondsAgo: () => seconds() - readAt,
    freshSecondsAgo: () => seconds() - (readAt >= gapAt ? Math.max(readAt, wholeAt) : readAt),
    isStreaming: () => (stream ? stream.isWorking() && seconds() - wholeAt < STREAM_SILENCE_SECONDS_MAX : null),
    events: map.events,
    cursor: () => reading,
    onRevocation(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    synchronize: follower.run,
    follow() {
      follower.start();
      if (deps.redis) stream ??= openOwnStream(deps.redis);
    },
    close() {
      stream?.close();
      return follower.stop();
    },
  };
}

/**
 * Hands out everything that was committed since a reading, and gives the reading of now. It reads on from the oldest
 * transaction that was still running at the one before: whatever was committed since is of that one or a later one.
 * Raises DatabaseUnavailable.
 */
export async function readRevocations(
  db: Database,
  since: Reading,
  take: (revocation: Revocation) => void,
): Promise<Reading> {
  const reader = db.systemReader();
  const seen: Seen | null = since.snapshot === null ? null : { snapshot: since.snapshot, now: since.at };
  const asked = { seen, withinSeconds: READ_WITHIN_SECONDS, limit: PAGE_ROWS };
  let reached: Reading | undefined;
  let after: RevocationPlace | null = { tx: since.tx, id: NIL_ID };
  while (after) {
    const page: RevocationPage = await listRevocations(reader, { after, ...asked });
    // A restored database begins anew with older transactions.
    if (!reached && BigInt(page.horizon) < BigInt(since.tx)) return readRevocations(db, NOTHING_READ, take);
    page.revocations.forEach(take);
    reached ??= { tx: page.horizon, at: page.now, snapshot: page.snapshot };
    after = page.next;
  }
  return reached ?? since;
}

/** Removes rows that no process looks back for any more. Any number of replicas may do so at once. */
export async function removeOldRevocations(db: Database): Promise<void> {
  await deleteRevocations(db.systemReader(), ROWS_KEPT_SECONDS);
}
