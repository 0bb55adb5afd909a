// The revocations that this process knows, in memory. The check of a token costs six look-ups and no I/O. PostgreSQL
// is the source of truth and is read every second. This process knows its own revocations at once. If Redis is
// configured, revocations of other processes usually arrive through the stream before the next reading.
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
import { createFreshness } from './freshness.ts';
import {
  deleteRevocations,
  listRevocations,
  type RevocationPage,
  type RevocationPosition,
  type Seen,
} from './store.ts';

export interface Revocations {
  /**
   * Makes this process refuse the revoked tokens from now on, and sends the revocations to other processes if there is
   * a stream. Call this after the transaction that wrote the revocations has committed. Resolves when this process
   * knows all of these revocations. Never raises.
   */
  publish(revocations: readonly Revocation[]): Promise<void>;
  /** Why a token must be refused, or null. */
  judge(token: RevocableToken): RevocationVerdict;
  /**
   * The newest epoch known of a user or client, 0 for none. With an organization, the newest one known of the user or
   * of the user's membership there. Data that was read at a lower epoch is out of date.
   */
  epochOf(id: string, organizationId?: string): number;
  isSuspended(organizationId: string): boolean;
  /** How long ago the last complete reading of PostgreSQL began. Every revocation committed before then is known. */
  readSecondsAgo(): number;
  /**
   * How long ago this process last knew every revocation, from PostgreSQL or from the stream. The stream counts while
   * it has been followed without a gap since a complete reading of PostgreSQL. If only this process loses PostgreSQL,
   * the revocations of other processes still arrive. The returned age is too small only if two faults happen at once:
   * this process cannot reach PostgreSQL, and another process was killed between its commit and its entry in the stream
   * or cannot reach Redis. (When that process reaches Redis again, its first entry counts as a gap here.)
   */
  freshSecondsAgo(): number;
  /** Whether the stream works in both directions; null without Redis. */
  isStreaming(): boolean | null;
  /** All remembered events, one at a time. An event that is added during the iteration may be left out. */
  events(): Generator<Revocation>;
  /** The position at which a reader continues after it has read all of `events()`: see `RevocationCursor`. */
  cursor(): RevocationCursor;
  /** Calls the listener with each event that is new to this process. Returns the function that removes the listener. */
  onRevocation(listener: (revocation: Revocation) => void): () => void;
  /** Reads the revocations of other processes. Raises DatabaseUnavailable, and LoopStopped after close. */
  synchronize(): Promise<void>;
  /** Reads PostgreSQL every second, and the stream, until close. */
  follow(): void;
  /** Stops reading. Resolves when the current reading has ended, or after a short time if it does not end. */
  close(): Promise<void>;
}

/** A position in PostgreSQL's order of transactions, the same for every replica. */
export interface RevocationCursor {
  /** All transactions before this one have been read (64 bit, decimal). */
  readonly tx: string;
  /** The database's clock at that reading, in ms since 1970; 0 before the first one. */
  readonly at: number;
}

/** How far this process has read. */
interface Reading extends RevocationCursor {
  /** The snapshot of the reading, as PostgreSQL writes it; null before the first reading. */
  readonly snapshot: string | null;
}

const NOTHING_READ: Reading = { tx: '0', at: 0, snapshot: null };

/**
 * How long an event is remembered: the longest token life that any configuration allows, and one minute more. A token
 * may have been issued under an earlier configuration.
 */
export const REVOCATIONS_REMEMBERED_SECONDS = ACCESS_TTL_MAX_SECONDS + 60;
/**
 * How long rows stay in PostgreSQL: an hour longer than processes remember them. So a process that could not read for a
 * while still finds the rows. It also finds a row whose transaction commits long after the row got its time.
 */
const ROWS_KEPT_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 3600;
/**
 * The greatest age of a row that is read. The limit is generous, because a row may get its time long before its
 * transaction commits.
 */
export const READ_WITHIN_SECONDS = REVOCATIONS_REMEMBERED_SECONDS + 600;
/** Rows of one statement, about 5 ms. A change of one role may revoke the tokens of many users at once. */
const PAGE_ROWS = 2_000;
/** How far a time in the stream may be ahead of the database's clock as this process knows it. */
const CLOCK_TOLERANCE_MS = 60_000;
/**
 * The stream is checked every second even if nothing is sent. After this time without an answer, it counts as broken.
 */
const STREAM_SILENCE_SECONDS_MAX = 4;

export interface RevocationsDeps {
  readonly db: Database;
  readonly log: Log;
  /** Where to reach the stream; null if there is no stream. */
  readonly redis?: RedisSettings | null;
}

/** Opens an empty map; `synchronize` fills it. An event is forgotten once every token it concerns has expired. */
export function openRevocations(deps: RevocationsDeps): Revocations {
  // A clock that never steps: a step of the wall clock must not drop a revocation that is still needed.
  const seconds = () => monotonicMs() / 1000;
  const map = createRevocationMap(seconds, REVOCATIONS_REMEMBERED_SECONDS);
  const freshness = createFreshness(seconds);
  const listeners = createListeners(deps.log);
  let reading = NOTHING_READ;
  let stream: StreamWriter | undefined;

  function take(revocation: Revocation): void {
    if (map.add(revocation)) listeners.call(revocation);
  }

  async function readAll(): Promise<void> {
    const begun = seconds();
    reading = await readRevocations(deps.db, reading, take);
    freshness.onRead(begun);
    while (map.forgetOld()) await nextTurn();
  }

  const follower = createFollower({ readAll, log: deps.log });

  function onGap(): void {
    freshness.onGap();
    follower.nudge();
  }

  function takeFromStream(revocation: Revocation): void {
    // The database cannot have written a time that is ahead of its clock. Such an event would replace real events.
    const latest = reading.at + freshness.readSecondsAgo() * 1000 + CLOCK_TOLERANCE_MS;
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
    await takeInSlices(revocations, take);
  }

  function openOwnStream(settings: RedisSettings): StreamWriter {
    return openStream({
      settings,
      log: deps.log,
      keptSeconds: REVOCATIONS_REMEMBERED_SECONDS,
      take: takeFromStream,
      onGap,
      onWhole: (atMs) => freshness.onWhole(atMs / 1000),
    });
  }

  return {
    publish,
    judge: map.judge,
    epochOf: map.epochOf,
    isSuspended: map.isSuspended,
    readSecondsAgo: freshness.readSecondsAgo,
    freshSecondsAgo: freshness.freshSecondsAgo,
    isStreaming: () => (stream ? stream.isWorking() && freshness.wholeSecondsAgo() < STREAM_SILENCE_SECONDS_MAX : null),
    events: map.events,
    cursor: () => reading,
    onRevocation: listeners.add,
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

/** Takes many revocations in slices, so that requests run in between. */
async function takeInSlices(revocations: readonly Revocation[], take: (revocation: Revocation) => void) {
  for (let at = 0; at < revocations.length; at += SENT_AT_ONCE_MAX) {
    revocations.slice(at, at + SENT_AT_ONCE_MAX).forEach(take);
    await nextTurn();
  }
}

type Listener = (revocation: Revocation) => void;

function createListeners(log: Log) {
  const listeners = new Set<Listener>();
  return {
    add(listener: Listener): () => void {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    /** Calls every listener. If one of them throws, the others still get the revocation. */
    call(revocation: Revocation): void {
      for (const listener of listeners) {
        try {
          listener(revocation);
        } catch (error) {
          log.error({ err: error }, 'a revocation was not passed on');
        }
      }
    },
  };
}

/**
 * Passes every revocation that was committed since a reading to `take`, and returns the new reading. The new reading
 * starts with the oldest transaction that was still running at the last reading, because every later commit is of that
 * transaction or a newer one. Raises DatabaseUnavailable.
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
  let after: RevocationPosition | null = { tx: since.tx, id: NIL_ID };
  while (after) {
    const page: RevocationPage = await listRevocations(reader, { after, ...asked });
    // A restored database continues with older transaction ids: so its revocations are read from the start.
    if (!reached && BigInt(page.horizon) < BigInt(since.tx)) return readRevocations(db, NOTHING_READ, take);
    page.revocations.forEach(take);
    reached ??= { tx: page.horizon, at: page.now, snapshot: page.snapshot };
    after = page.next;
  }
  return reached ?? since;
}

/** Removes rows that no process needs any more. Any number of replicas may run this at once. */
export async function removeOldRevocations(db: Database): Promise<void> {
  await deleteRevocations(db.systemReader(), ROWS_KEPT_SECONDS);
}
