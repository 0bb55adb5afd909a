// The state of the feed: the revocations of its frames, the cursor to continue at, and the time up to which every
// revocation is known.
import { type Revocation, revocationOf } from '../../protocol/revocation.ts';
import type { Timing } from '../core/clock.ts';
import { createClockComparison, createPauseWatch } from './doubt.ts';
import type { Frame } from './sse.ts';

export interface FeedListener {
  add(revocation: Revocation): void;
  /** Every revocation up to this moment is known. */
  complete(): void;
  trouble(error: Error): void;
  /** This process did not run for a few seconds. What the connection still delivers may be old. */
  paused(seconds: number): void;
}

export interface FeedState {
  /** A new connection begins. A snapshot that the last connection left incomplete starts again. */
  begin(): void;
  /** Notices a pause of this process. Call this every second. */
  look(): void;
  take(frame: Frame): void;
  /** The cursor to continue at; null for a new snapshot. */
  cursor(): string | null;
  forgetCursor(): void;
  /** How many frames have been understood so far. */
  heard(): number;
  staleSeconds(): number;
  /** False from the end of a pause until every revocation up to that end is known. */
  isCurrent(): boolean;
}

const CURSOR = /^[\x21-\x7e]{1,256}$/; // the cursor goes into a header

// An `extended` event has a revocation of a kind that was added later. A verifier that does not know such events
// ignores them.
const FRAMES = new Set(['snapshot', 'revocation', 'extended', 'heartbeat']);

export function createFeedState(timing: Timing, listener: FeedListener): FeedState {
  let cursor: string | null = null;
  let heard = 0;
  let knows = false;
  // An event of an unknown kind may revoke anything. From then on the state is incomplete until the next snapshot.
  let misses = false;
  let isAmidSnapshot = false;
  let wall = 0;
  let steady = 0;
  let begun = Number.NEGATIVE_INFINITY; // the beginning of the connection
  const { look, resumedAt } = createPauseWatch(timing, listener.paused);
  const clocks = createClockComparison(timing, listener.trouble);

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
    const { events, extended = [], more } = (value ?? {}) as { events?: unknown; extended?: unknown; more?: unknown };
    if (!Array.isArray(events) || !Array.isArray(extended)) throw new Error('a snapshot has no events');
    if (!isAmidSnapshot) misses = false;
    isAmidSnapshot = more === true;
    for (const entry of [...extended, ...events]) takeEvent(entry);
    if (!isAmidSnapshot) complete();
  }

  function complete(): void {
    // After a pause, what arrives on the old connection was sent at an unknown time.
    if (misses || begun < resumedAt()) return;
    knows = true;
    wall = timing.now();
    steady = timing.elapsed();
    listener.complete();
  }

  const isCurrent = () => steady >= resumedAt();
  return {
    begin() {
      look();
      isAmidSnapshot = false;
      begun = timing.elapsed();
    },
    look,
    take(frame) {
      look();
      const { event, data, id } = frame;
      if (!FRAMES.has(event)) return;
      const value: unknown = JSON.parse(data);
      if (event === 'snapshot') takeSnapshot(value);
      else if (event !== 'heartbeat') takeEvent(value);
      else {
        clocks.compare((value as { at?: unknown } | null)?.at);
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
    isCurrent,
    staleSeconds() {
      if (!isCurrent() || !knows || clocks.areApart()) return Infinity;
      // One clock may stop while the machine is suspended, and the other may be set back: the longer time counts.
      return Math.max(timing.elapsed() - steady, timing.now() - wall) / 1000;
    },
  };
}
