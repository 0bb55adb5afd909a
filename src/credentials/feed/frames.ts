// Writes the feed as server-sent events (HTML, §9.2) and as one JSON document, in chunks. Each chunk is made in a few
// milliseconds, so a long answer does not block the process.
import type { Revocation } from '../../protocol/revocation.ts';

/** Events of one chunk: about 100 KB. */
const EVENTS_AT_ONCE = 1_000;

/** How long a consumer waits before it connects again. */
const RETRY_MS = 1_000;

export const STREAM_BEGIN = `retry: ${RETRY_MS}\n\n`;

/** One new event. */
export function revocationFrame(id: string, revocation: Revocation): string {
  return `event: revocation\nid: ${id}\ndata: ${JSON.stringify(revocation)}\n\n`;
}

/** A heartbeat. It says that every event up to this moment has been sent. */
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
      ? `event: snapshot\nid: ${cursor}\ndata: {"cursor":"${cursor}","events":${JSON.stringify(slice)}}\n\n`
      : `event: snapshot\ndata: {"more":true,"events":${JSON.stringify(slice)}}\n\n`;
  }
}

/** The JSON document, in chunks. */
export async function* documentChunks(
  { cursor, snapshot }: { readonly cursor: string; readonly snapshot: boolean },
  slices: AsyncIterable<readonly Revocation[]>,
): AsyncGenerator<string> {
  yield `{"data":{"cursor":"${cursor}","snapshot":${snapshot},"events":[`;
  let comma = '';
  for await (const slice of slices) {
    if (slice.length === 0) continue;
    yield comma + JSON.stringify(slice).slice(1, -1);
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
