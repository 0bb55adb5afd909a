// Writes the feed as server-sent events (HTML, §9.2) and as one JSON document, in chunks. Each chunk is made in a few
// milliseconds, so a long answer does not block the process.
import { ADDED_KINDS, olderFormOf, type Revocation } from '../../protocol/revocation.ts';

/** Events of one chunk: about 100 KB. */
const EVENTS_AT_ONCE = 1_000;

/** How long a consumer waits before it connects again. */
const RETRY_MS = 1_000;

export const STREAM_BEGIN = `retry: ${RETRY_MS}\n\n`;

/**
 * One new event. A verifier of the previous version would be out of date after a revocation of a kind that it does not
 * know. It ignores events with a name that it does not know, so such a revocation is sent under the name `extended`,
 * and in its older form as `revocation` if it has one.
 */
export function revocationFrame(id: string, revocation: Revocation): string {
  const frame = (event: string, data: object) => `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
  const older = olderFormOf(revocation);
  return (isAdded(revocation) ? frame('extended', revocation) : '') + (older ? frame('revocation', older) : '');
}

function isAdded({ kind }: Revocation): boolean {
  return ADDED_KINDS.includes(kind);
}

// The members of a snapshot frame. A verifier of the previous version ignores the member `extended`.
function eventsText(slice: readonly Revocation[]): string {
  const older = slice.map(olderFormOf).filter((form) => form !== null);
  const extended = slice.filter(isAdded);
  const events = `"events":${JSON.stringify(older)}`;
  return extended.length === 0 ? events : `${events},"extended":${JSON.stringify(extended)}`;
}

/** A heartbeat. The frame says that every event up to this moment has been sent. */
export function heartbeatFrame(id: string, now: Date): string {
  return `event: heartbeat\nid: ${id}\ndata: {"at":"${now.toISOString()}"}\n\n`;
}

/**
 * A snapshot as frames. The last frame has the cursor and the id. Every earlier frame has `more`. A consumer knows
 * every event once it has read the last frame.
 */
export async function* snapshotFrames(
  cursor: string,
  events: AsyncIterable<readonly Revocation[]>,
): AsyncGenerator<string> {
  for await (const { slice, last } of withLast(events)) {
    yield last
      ? `event: snapshot\nid: ${cursor}\ndata: {"cursor":"${cursor}",${eventsText(slice)}}\n\n`
      : `event: snapshot\ndata: {"more":true,${eventsText(slice)}}\n\n`;
  }
}

/** The JSON document, in chunks. An event of an added kind follows its form for the previous version, if it has one. */
export async function* documentChunks(
  { cursor, snapshot }: { readonly cursor: string; readonly snapshot: boolean },
  slices: AsyncIterable<readonly Revocation[]>,
): AsyncGenerator<string> {
  yield `{"data":{"cursor":"${cursor}","snapshot":${snapshot},"events":[`;
  let comma = '';
  for await (const slice of slices) {
    if (slice.length === 0) continue;
    const written = slice.flatMap((event) => (isAdded(event) ? [olderFormOf(event) ?? [], event].flat() : [event]));
    yield comma + JSON.stringify(written).slice(1, -1);
    comma = ',';
  }
  yield ']}}';
}

/** Slices of a sequence. Other work of the event loop runs between two slices. */
export async function* inSlices<T>(events: Iterable<T>): AsyncGenerator<T[]> {
  let slice: T[] = [];
  for (const event of events) {
    slice.push(event);
    if (slice.length === EVENTS_AT_ONCE) {
      yield slice;
      slice = [];
      await new Promise(setImmediate);
    }
  }
  yield slice;
}

async function* withLast<T>(
  slices: AsyncIterable<readonly T[]>,
): AsyncGenerator<{ slice: readonly T[]; last: boolean }> {
  let held: readonly T[] | undefined;
  for await (const slice of slices) {
    if (held) yield { slice: held, last: false };
    held = slice;
  }
  yield { slice: held ?? [], last: true };
}
