// The revocations that this process knows, in memory. The check of a token costs a few lookups and no I/O. PostgreSQL
// is the source of truth and is read every second. This process knows its own revocations at once. If Redis is
// configured, revocations of other processes usually arrive through the stream before the next reading.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Database, DatabaseUnavailable } from '../../base/database/db.ts';
import { systemTiming, type Timing } from '../../base/loops/timing.ts';
import { type Clock, systemClock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { RedisSettings } from '../../base/platform/redis.ts';
import type { RevocableToken, Revocation, RevocationVerdict } from '../../protocol/revocation.ts';
import { createRevocationMap } from '../../protocol/revocation-map.ts';
import { openStream } from '../stream/stream.ts';
import { SENT_AT_ONCE_MAX, type StreamWriter } from '../stream/writer.ts';
import { CLOCKS_APART_SECONDS_MAX } from '../tokens/access.ts';
import { createCatchUp } from './catch-up.ts';
import { type ClockWatch, createClockWatch } from './clock-watch.ts';
import { createFollower } from './follow.ts';
import { createFreshness } from './freshness.ts';
import { createLineageWatch } from './lineage.ts';
import { readServer } from './lineage-store.ts';
import { NOTHING_READ, type RevocationCursor, readRevocations } from './read.ts';
import { REVOCATIONS_REMEMBERED_SECONDS, ROWS_KEPT_SECONDS } from './remembered.ts';
import { deleteRevocations } from './store.ts';

export { type RevocationCursor, readRevocations } from './read.ts';
export { READ_WITHIN_SECONDS, REVOCATIONS_REMEMBERED_SECONDS } from './remembered.ts';

export interface Revocations {
  /**
   * Makes this process refuse the revoked tokens from now on, and sends the revocations to other processes if there is
   * a stream. Call this after the transaction that wrote the revocations has committed. Resolves when this process
   * knows all of these revocations. Never raises.
   */
  publish(revocations: readonly Revocation[]): Promise<void>;
  /**
   * Returns why a token must be refused, or null if no known revocation concerns it. Call this only while `isCurrent`
   * is true.
   */
  judge(token: RevocableToken): RevocationVerdict;
  /** False from the end of a pause of this process until everything is known that was revoked during the pause. */
  isCurrent(): boolean;
  /** Resolves when `isCurrent` is true, at once or after a reading. Raises revocations_stale after a short time. */
  untilCurrent(): Promise<void>;
  /**
   * Tokens issued before this second are refused until an operator decides about a database that was set back; 0 for
   * none.
   */
  doubtedBefore(): number;
  /** Whether the clock of this machine agrees with the clock of PostgreSQL, as far as is known. */
  isClockTrusted(): boolean;
  /**
   * The newest known epoch of a user or client, 0 for none. With an organization, the newest known epoch of the user or
   * of the user's membership there. Data that was read at a lower epoch is out of date.
   */
  epochOf(id: string, organizationId?: string): number;
  /** The newest epoch known of the roles of the organization, 0 for none. */
  rolesEpochOf(organizationId: string): number;
  isSuspended(organizationId: string): boolean;
  /** How long ago the last complete reading of PostgreSQL began. Every revocation committed before then is known. */
  readSecondsAgo(): number;
  /**
   * How long ago this process last knew every revocation, from PostgreSQL or from the stream. The stream counts while
   * it has been followed without a gap since a complete reading of PostgreSQL. If only this process loses PostgreSQL,
   * the revocations of other processes still arrive. The returned age is too small only if two faults happen at the
   * same time: this process cannot reach PostgreSQL, and another process was killed between its commit and its entry in
   * the stream or cannot reach Redis. (When that process reaches Redis again, its first entry counts as a gap here.)
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
  /** The clock of this machine, which is compared with the clock of PostgreSQL. */
  readonly clock?: Clock;
  /** Replaces the limits of the service. */
  readonly limits?: RevocationLimits;
  readonly timing?: Timing;
}

export interface RevocationLimits {
  /** If the clocks differ by more than this, the clock of this machine is not trusted. */
  readonly clocksApartSecondsMax: number;
  /** A pause of this process counts if it is longer than this. */
  readonly pauseMsMax: number;
}

function watchClock({ log, limits }: RevocationsDeps, clock: Clock, timing: Timing): ClockWatch {
  return createClockWatch({
    log,
    apartSecondsMax: limits?.clocksApartSecondsMax ?? CLOCKS_APART_SECONDS_MAX,
    aheadOfSteadyMs: () => clock.now().getTime() - timing.elapsed(),
  });
}

/**
 * Opens an empty map, which `synchronize` fills. An event is forgotten once every token it concerns has expired.
 * Revoked keys, and the newest event about everything, are never forgotten.
 */
export function openRevocations(deps: RevocationsDeps): Revocations {
  // A clock that never steps: a step of the wall clock must not drop a revocation that is still needed.
  const { timing = systemTiming, clock = systemClock } = deps;
  const seconds = () => timing.elapsed() / 1000;
  const map = createRevocationMap(seconds, REVOCATIONS_REMEMBERED_SECONDS);
  const freshness = createFreshness(seconds);
  const listeners = createListeners(deps.log);
  const clocks = watchClock(deps, clock, timing);
  const lineage = createLineageWatch({ db: deps.db, log: deps.log, events: map.events });
  let reading = NOTHING_READ;
  let stream: StreamWriter | undefined;

  function take(revocation: Revocation): void {
    if (map.add(revocation)) listeners.call(revocation);
  }

  async function readAll(): Promise<void> {
    const begun = seconds();
    const server = await readServer(deps.db.systemReader());
    const arrivedMs = clock.now().getTime();
    clocks.note({ databaseMs: server.now, arrivedMs, waitedMs: (seconds() - begun) * 1000 });
    await lineage.check(server);
    reading = await readRevocations(deps.db, reading, take);
    lineage.noteRead(reading.newestTx);
    // A standby may lack what its primary has committed. So this reading proves nothing.
    if (server.isStandby) throw new DatabaseUnavailable('PostgreSQL is a standby');
    noteFresh(() => freshness.onRead(begun));
    while (map.forgetOld()) await nextTurn();
  }

  const follower = createFollower({ readAll, log: deps.log, timing });
  const catchUp = createCatchUp({
    ...{ log: deps.log, timing, pauseMsMax: deps.limits?.pauseMsMax, freshAtSeconds: freshness.freshAtSeconds },
    ...{ read: follower.run, nudge: follower.nudge, hasStream: () => stream !== undefined },
  });

  const noteFresh = (note: () => void) => [note(), catchUp.noteFresh()];

  function onGap(): void {
    freshness.onGap();
    follower.nudge();
  }

  const takeFromStream = (revocation: Revocation) =>
    isOfDatabase(revocation, reading.at, freshness.readSecondsAgo()) ? take(revocation) : onGap();

  const onWhole = (atMs: number) => noteFresh(() => freshness.onWhole(atMs / 1000));

  function follow(): void {
    follower.start();
    catchUp.start();
    if (!deps.redis || stream) return;
    const keptSeconds = REVOCATIONS_REMEMBERED_SECONDS;
    stream = openStream({ settings: deps.redis, log: deps.log, keptSeconds, take: takeFromStream, onGap, onWhole });
  }

  return {
    publish: (revocations) => publishTo(revocations, take, stream),
    judge: map.judge,
    isCurrent: catchUp.isCurrent,
    untilCurrent: catchUp.untilCurrent,
    isClockTrusted: () => !clocks.isApart(),
    doubtedBefore: lineage.doubtedBefore,
    ...{ epochOf: map.epochOf, rolesEpochOf: map.rolesEpochOf },
    isSuspended: map.isSuspended,
    readSecondsAgo: freshness.readSecondsAgo,
    freshSecondsAgo: freshness.freshSecondsAgo,
    isStreaming: () => (stream ? stream.isWorking() && freshness.wholeSecondsAgo() < STREAM_SILENCE_SECONDS_MAX : null),
    events: map.events,
    cursor: () => reading,
    onRevocation: listeners.add,
    synchronize: follower.run,
    follow,
    close() {
      catchUp.stop();
      stream?.close();
      return follower.stop();
    },
  };
}

/**
 * Whether the database can have written the event. It cannot have written a time that is ahead of its clock, and such
 * an event would replace real events.
 */
function isOfDatabase(revocation: Revocation, readAt: number, readSecondsAgo: number): boolean {
  const latest = readAt + readSecondsAgo * 1000 + CLOCK_TOLERANCE_MS;
  return revocation.kind !== 'organization' || (readAt > 0 && revocation.at <= latest);
}

/** Takes the revocations of this process, and tells the other processes of them if there is a stream. */
async function publishTo(
  revocations: readonly Revocation[],
  take: (revocation: Revocation) => void,
  stream: StreamWriter | undefined,
): Promise<void> {
  if (revocations.length > SENT_AT_ONCE_MAX) {
    stream?.sendMore();
    return takeInSlices(revocations, take);
  }
  for (const revocation of revocations) {
    take(revocation);
    stream?.send(revocation);
  }
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

/** Removes rows that no process needs any more. Any number of replicas may run this at the same time. */
export async function removeOldRevocations(db: Database): Promise<void> {
  await deleteRevocations(db.systemReader(), ROWS_KEPT_SECONDS);
}
