// The state of the feed: the revocations of its frames, the cursor to continue at, and the time since which every
// revocation is known.
import { type Revocation, revocationOf } from '../../protocol/revocation.ts';
import type { Timing } from '../core/clock.ts';
import type { Frame } from './sse.ts';

export interface FeedListener {
  add(revocation: Revocation): void;
  /** Every revocation up to this moment is known. */
  complete(): void;
  trouble(error: Error): void;
}

export interface FeedState {
  /** A new connection begins. A snapshot that the last connection left incomplete starts again. */
  begin(): void;
  /** Notes that this process runs. Returns how many seconds it did not run, 0 if it ran without a pause. */
  notePause(): number;
  take(frame: Frame): void;
  /** The cursor to continue at; null for a new snapshot. */
  cursor(): string | null;
  forgetCursor(): void;
  /** How many frames were understood so far. */
  heard(): number;
  staleSeconds(): number;
}

/** A longer pause of this process counts. The feed is followed again from its cursor after it. */
const PAUSE_MILLISECONDS_MAX = 3_000;
/** How far the clocks may differ. A heartbeat may also have been on its way for as long as the feed may be silent. */
const CLOCKS_APART_MILLISECONDS_MAX = 60_000;
const ON_ITS_WAY_MILLISECONDS_MAX = 10_000;
const CURSOR = /^[\x21-\x7e]{1,256}$/; // the cursor goes into a header

export function createFeedState(timing: Timing, listener: FeedListener): FeedState {
  let cursor: string | null = null;
  let heard = 0;
  let knows = false;
  // An event of an unknown kind may revoke anything. From then on the state is incomplete until the next snapshot.
  let misses = false;
  let isAmidSnapshot = false;
  let wall = 0;
  let steady = 0;
  let seen = timing.elapsed(); // when this process was last seen running
  let resumed = Number.NEGATIVE_INFINITY; // the end of the latest pause
  let begun = Number.NEGATIVE_INFINITY; // the beginning of the connection
  let isClockApart = false;

  function takeEvent(value: unknown): void {
    const revocation = revocationOf(value);
    if (revocation) {
      listener.add(revocation);
    } else if (!misses) {
      misses = true;
      listener.trouble(new Error('The feed sent an event of an unknown kind: update tenantry here'));
    }
  }

  // A long snapshot comes in several frames. All but the last have `more`.
  function takeSnapshot(value: unknown): void {
    const { events, more } = (value ?? {}) as { events?: unknown; more?: unknown };
    if (!Array.isArray(events)) throw new Error('a snapshot has no events');
    if (!isAmidSnapshot) misses = false;
    isAmidSnapshot = more === true;
    for (const entry of events) takeEvent(entry);
    if (!isAmidSnapshot) complete();
  }

  function notePause(): number {
    const now = timing.elapsed();
    const paused = now - seen;
    seen = now;
    if (paused <= PAUSE_MILLISECONDS_MAX) return 0;
    resumed = now;
    return paused / 1000;
  }

  // A wrong clock accepts expired tokens, even those whose revocation is already forgotten, or refuses good ones.
  function compareClocks(at: unknown): void {
    const sent = typeof at === 'string' ? Date.parse(at) : Number.NaN;
    if (Number.isNaN(sent)) return;
    const ahead = timing.now() - sent;
    const was = isClockApart;
    isClockApart =
      ahead > CLOCKS_APART_MILLISECONDS_MAX + ON_ITS_WAY_MILLISECONDS_MAX || ahead < -CLOCKS_APART_MILLISECONDS_MAX;
    if (!isClockApart || was) return;
    const difference = `${Math.round(Math.abs(ahead) / 1000)} s ${ahead > 0 ? 'ahead of' : 'behind'}`;
    listener.trouble(
      new Error(`The clock of this machine is ${difference} the clock of the service: keep both on time (NTP)`),
    );
  }

  function complete(): void {
    // After a pause, what arrives on the old connection was sent at an unknown time.
    if (misses || begun < resumed) return;
    knows = true;
    wall = timing.now();
    steady = timing.elapsed();
    listener.complete();
  }

  return {
    begin() {
      notePause();
      isAmidSnapshot = false;
      begun = timing.elapsed();
    },
    notePause,
    take(frame) {
      const { event, data, id } = frame;
      if (event !== 'snapshot' && event !== 'revocation' && event !== 'heartbeat') return;
      const value: unknown = JSON.parse(data);
      if (event === 'snapshot') takeSnapshot(value);
      else if (event === 'revocation') takeEvent(value);
      else {
        compareClocks((value as { at?: unknown } | null)?.at);
        // Before the first snapshot, a heartbeat has no meaning.
        if (knows && !isAmidSnapshot) complete();
      }
      if (CURSOR.test(id) && !isAmidSnapshot) cursor = id;
      heard += 1;
    },
    cursor: () => (misses ? null : cursor),
    forgetCursor() {
      cursor = null;
    },
    heard: () => heard,
    staleSeconds() {
      // This may be the first code that runs after a pause.
      const isBehind = steady < resumed || timing.elapsed() - seen > PAUSE_MILLISECONDS_MAX;
      if (!knows || isBehind || isClockApart) return Infinity;
      // One clock may stop while the machine sleeps, and the other may be set back: the longer time counts.
      return Math.max(timing.elapsed() - steady, timing.now() - wall) / 1000;
    },
  };
}
