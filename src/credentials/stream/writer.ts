// Sends the revocations of this process to the stream. No request waits for the stream or fails because of it. An event
// that does not arrive is still in PostgreSQL, which every process reads each second. After a failure, the first entry
// that arrives also makes the other processes read PostgreSQL.
import { setTimeout as pause } from 'node:timers/promises';
import { holdRedis, type RedisConnection, type RedisSettings } from '../../base/platform/redis.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { ENTRY_EVENTS_MAX, ENTRY_OF_MORE, entryWith, type Fields, STREAM_KEY } from './entry.ts';

export interface StreamWriter {
  /** Sends the event together with all other events of the same turn of the event loop, in a microtask. */
  send(revocation: Revocation): void;
  /**
   * Sends an entry that tells the readers to read PostgreSQL, because there are too many revocations for the stream.
   */
  sendMore(): void;
  /** Whether entries arrive in Redis, as far as this process knows. */
  isWorking(): boolean;
  close(): void;
}

export interface StreamWriterDeps {
  readonly settings: RedisSettings;
  /** The shortest time that an entry stays in the stream, in ms. */
  readonly keptMs: number;
  readonly onWorking: () => void;
  readonly onTrouble: (error: Error) => void;
}

// No request waits for an answer of Redis. With a shorter limit, a busy moment of this process would look like a broken
// Redis.
const ANSWER_MS = 1_000;
const PROBE_EVERY_MS = 1_000;
const UNANSWERED_MAX = 256;
/**
 * The largest number of events that is sent in one turn. More events would fill Redis, and PostgreSQL is as fast to
 * read.
 */
export const SENT_AT_ONCE_MAX = 1_000;

export function openStreamWriter(deps: StreamWriterDeps): StreamWriter {
  let connection: RedisConnection | undefined;
  let working = false;
  let batch: Revocation[] = [];
  let unanswered = 0;
  let mustSendMore = false;
  let failure: Error | undefined;
  let newestMs: number | undefined; // the time of Redis, from an entry's id: this machine's clock may differ

  async function add(to: RedisConnection, fields: Fields): Promise<void> {
    unanswered += 1;
    try {
      const trim = newestMs === undefined ? [] : ['MINID', '~', Math.max(0, newestMs - deps.keptMs)];
      const id = await to.ask('XADD', STREAM_KEY, ...trim, '*', ...fields);
      newestMs = Number.parseInt(String(id), 10);
    } finally {
      unanswered -= 1;
    }
  }

  function sendFields(fields: Fields): void {
    const to = connection;
    if (!to) return; // the first entry of the next connection requests a reading of PostgreSQL
    if (unanswered >= UNANSWERED_MAX) {
      mustSendMore = true;
      return;
    }
    add(to, fields).then(
      () => {
        if (!mustSendMore || unanswered > UNANSWERED_MAX / 2) return;
        mustSendMore = false;
        sendFields(ENTRY_OF_MORE);
      },
      (error: Error) => {
        if (connection === to) [connection, failure] = [undefined, error];
        to.close();
      },
    );
  }

  function flush(): void {
    const events = batch;
    batch = [];
    entriesOf(events).forEach(sendFields);
  }

  async function work(opened: RedisConnection): Promise<void> {
    connection = opened;
    mustSendMore = false;
    failure = undefined;
    try {
      // This entry covers the events that could not be sent before, and proves that this Redis user may write.
      await add(opened, ENTRY_OF_MORE);
      working = true;
      deps.onWorking();
      await probeUntilGone(opened);
      throw failure ?? new Error('the connection was closed');
    } finally {
      working = false;
      if (connection === opened) connection = undefined;
    }
  }

  const hold = holdRedis({ ...deps, key: STREAM_KEY, answerMs: ANSWER_MS, work });
  return {
    send(revocation) {
      if (batch.push(revocation) === 1) queueMicrotask(flush);
    },
    sendMore: () => sendFields(ENTRY_OF_MORE),
    isWorking: () => working && connection !== undefined,
    close: hold.close,
  };
}

/**
 * The entries that carry these events. More than SENT_AT_ONCE_MAX events are replaced by one entry that requests a
 * reading of PostgreSQL.
 */
function entriesOf(events: readonly Revocation[]): Fields[] {
  if (events.length > SENT_AT_ONCE_MAX) return [ENTRY_OF_MORE];
  const entries: Fields[] = [];
  for (let at = 0; at < events.length; at += ENTRY_EVENTS_MAX) {
    entries.push(entryWith(events.slice(at, at + ENTRY_EVENTS_MAX)));
  }
  return entries;
}

/**
 * Requests the length of the stream from Redis every second until the connection has closed. Raises when Redis does not
 * answer.
 */
async function probeUntilGone(connection: RedisConnection): Promise<void> {
  const gone = new AbortController();
  void connection.gone.then(() => gone.abort());
  while (!gone.signal.aborted) {
    await pause(PROBE_EVERY_MS, undefined, { signal: gone.signal, ref: false }).catch(() => undefined);
    if (!gone.signal.aborted) await connection.ask('XLEN', STREAM_KEY);
  }
}
