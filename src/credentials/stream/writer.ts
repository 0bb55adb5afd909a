// Tells the others by the stream what this process has revoked. Nobody waits for it and nothing fails by it: what does
// not arrive is in PostgreSQL, where everybody reads every second, and the next entry says that there is more.
import { setTimeout as pause } from 'node:timers/promises';
import { holdRedis, type RedisConnection, type RedisSettings } from '../../base/platform/redis.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { ENTRY_EVENTS_MAX, ENTRY_OF_MORE, entryWith, type Fields, STREAM_KEY } from './entry.ts';

export interface StreamWriter {
  /** Sends the event, with all others of the same turn. It is on its way before anything that waits for a promise. */
  send(revocation: Revocation): void;
  /** Says that so much was revoked that PostgreSQL is the better place to read it. */
  sendMore(): void;
  /** Whether what is sent arrives, as far as is known. */
  isWorking(): boolean;
  close(): void;
}

export interface StreamWriterDeps {
  readonly settings: RedisSettings;
  /** How long an entry stays in the stream at least, in ms. */
  readonly keptMs: number;
  readonly onWorking: () => void;
  readonly onTrouble: (error: Error) => void;
}

// Nobody waits for these answers. A shorter wait would take a busy moment of this process for a Redis that is away.
const ANSWER_MS = 1_000;
const PROBE_EVERY_MS = 1_000;
const UNANSWERED_MAX = 256;
/** Events of one turn that are sent. More are read from PostgreSQL as fast, and a stream of them would fill Redis. */
export const SENT_AT_ONCE_MAX = 1_000;

export function openStreamWriter(deps: StreamWriterDeps): StreamWriter {
  let connection: RedisConnection | undefined;
  let working = false;
  let batch: Revocation[] = [];
  let unanswered = 0;
  let owesMore = false;
  let failure: Error | undefined;
  let newestMs: number | undefined; // Redis's own clock, as the ids tell it: ours may be another

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
    if (!to) return; // the first entry of the next connection says that there is more
    if (unanswered >= UNANSWERED_MAX) {
      owesMore = true;
      return;
    }
    add(to, fields).then(
      () => {
        if (!owesMore || unanswered > UNANSWERED_MAX / 2) return;
        owesMore = false;
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
    if (events.length > SENT_AT_ONCE_MAX) sendFields(ENTRY_OF_MORE);
    else {
      for (let at = 0; at < events.length; at += ENTRY_EVENTS_MAX) {
        sendFields(entryWith(events.slice(at, at + ENTRY_EVENTS_MAX)));
      }
    }
  }

  async function work(opened: RedisConnection): Promise<void> {
    const broken = new AbortController();
    void opened.gone.then(() => broken.abort());
    connection = opened;
    owesMore = false;
    failure = undefined;
    try {
      // Whatever could not be sent before; and the proof that this user may write.
      await add(opened, ENTRY_OF_MORE);
      working = true;
      deps.onWorking();
      while (!broken.signal.aborted) {
        await pause(PROBE_EVERY_MS, undefined, { signal: broken.signal, ref: false }).catch(() => undefined);
        if (!broken.signal.aborted) await opened.ask('XLEN', STREAM_KEY);
      }
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
