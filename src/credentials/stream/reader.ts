// Follows the stream from its end, and proves all the while that it has missed nothing in it. Where it may have, it says
// so and begins again at the end: what lies before is read from PostgreSQL.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../../base/platform/clock.ts';
import { holdRedis, type RedisConnection, RedisRefused, type RedisSettings } from '../../base/platform/redis.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { readEntry, STREAM_KEY } from './entry.ts';

export interface StreamReaderDeps {
  readonly settings: RedisSettings;
  readonly take: (revocation: Revocation) => void;
  /** The stream may not have told of something that PostgreSQL knows by now. Called before anything is read behind it. */
  readonly onGap: () => void;
  /** Everything that was in the stream at that moment (of `monotonicMs`) has been taken. */
  readonly onWhole: (atMs: number) => void;
  /** The place in the stream was lost, though not the connection. */
  readonly onLost: () => void;
  readonly onMalformed: () => void;
  readonly onTrouble: (error: Error) => void;
}

const BLOCK_MS = 1_000;
// A connection that is dead without a word is noticed by the answer that does not come, be it an empty one.
const ANSWER_MS = BLOCK_MS + 1_000;
const ENTRIES_AT_ONCE = 50;
const PROOF_EVERY_MS = 500;

/** A place in the stream: the last entry before it, and how many were ever added up to it. */
export interface Place {
  readonly id: string;
  readonly added: number;
}

export type Entry = readonly [id: string, fields: unknown];

export function openStreamReader(deps: StreamReaderDeps): { close(): void } {
  async function take(entries: readonly Entry[]): Promise<void> {
    for (const [, fields] of entries) {
      const { events, asksForMore, isMalformed } = readEntry(fields);
      events.forEach(deps.take);
      if (asksForMore) deps.onGap();
      if (isMalformed) deps.onMalformed();
      if (events.length > 1) await nextTurn(); // requests come first
    }
  }

  /** Reads on until the stream is not the one of that place any more. */
  async function readOn(connection: RedisConnection, from: Place): Promise<void> {
    let place = from;
    let provenMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const askedMs = monotonicMs();
      const [end, entries] = await Promise.all([
        askedMs - provenMs < PROOF_EVERY_MS ? null : endOf(connection), // Redis answers in this order
        entriesBehind(connection, place),
      ]);
      await take(entries);
      const proof = end && prove(place, entries, end);
      if (proof === 'broken') return;
      if (proof === 'whole') {
        provenMs = askedMs;
        deps.onWhole(askedMs);
      }
      place = { id: entries.at(-1)?.[0] ?? place.id, added: place.added + entries.length };
    }
  }

  async function work(connection: RedisConnection): Promise<void> {
    for (;;) {
      const place = await endOf(connection);
      deps.onGap(); // in this order: what comes now is read behind the place, what came before is in PostgreSQL
      await readOn(connection, place);
      deps.onLost();
    }
  }

  return holdRedis({ ...deps, key: STREAM_KEY, answerMs: ANSWER_MS, work });
}

/**
 * Whether all that was ever added up to the end has been read. Redis counts what is added; so it shows when the stream
 * was flushed and begun anew, also with lower ids, when entries were deleted or cut off before they were read, and when
 * a replica took over that had not received them all.
 */
export function prove(place: Place, entries: readonly Entry[], end: Place): 'whole' | 'broken' | 'open' {
  if (end.id === place.id) return end.added === place.added ? 'whole' : 'broken';
  const at = entries.findIndex(([id]) => id === end.id);
  if (at === -1) return entries.length === ENTRIES_AT_ONCE ? 'open' : 'broken';
  return end.added === place.added + at + 1 ? 'whole' : 'broken';
}

/** The end of the stream. One that is not there has had nothing added. */
async function endOf(connection: RedisConnection): Promise<Place> {
  let told: unknown;
  try {
    told = await connection.ask('XINFO', 'STREAM', STREAM_KEY);
  } catch (error) {
    if (/no such key/i.test((error as Error).message)) return { id: '0-0', added: 0 };
    throw error;
  }
  const facts = Array.isArray(told) ? told : [];
  const [id, added] = ['last-generated-id', 'entries-added'].map((name) => facts[facts.indexOf(name) + 1]);
  if (typeof id === 'string' && typeof added === 'number') return { id, added };
  throw new RedisRefused('it does not count the entries of a stream, as Redis 7 does');
}

async function entriesBehind(connection: RedisConnection, { id }: Place): Promise<readonly Entry[]> {
  const told = await connection.ask(
    ...(['XREAD', 'COUNT', ENTRIES_AT_ONCE, 'BLOCK', BLOCK_MS, 'STREAMS', STREAM_KEY, id] as const),
  );
  if (told === null) return [];
  // [[key, [[id, [name, value, …]], …]]]
  return (told as [[string, Entry[]]])[0][1];
}
