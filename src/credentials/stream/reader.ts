// Follows the stream from its end and checks continuously that no entry has been missed. When an entry may be missing,
// the reader reports a gap and starts again at the end, because PostgreSQL has everything before the end.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '../../base/platform/clock.ts';
import { holdRedis, type RedisConnection, RedisRefused, type RedisSettings } from '../../base/platform/redis.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { readEntry, STREAM_KEY } from './entry.ts';

export interface StreamReaderDeps {
  readonly settings: RedisSettings;
  readonly take: (revocation: Revocation) => void;
  /** The stream may lack an event that PostgreSQL has. Called before any later entry is read. */
  readonly onGap: () => void;
  /** Every entry that was in the stream at this time of `monotonicMs` has been read. */
  readonly onWhole: (atMs: number) => void;
  /** The position in the stream has been lost, but the connection still works. */
  readonly onLost: () => void;
  readonly onMalformed: () => void;
  readonly onTrouble: (error: Error) => void;
}

const BLOCK_MS = 1_000;
// Redis always answers within BLOCK_MS, even if nothing is new. A later answer means that the connection is broken.
const ANSWER_MS = BLOCK_MS + 1_000;
const ENTRIES_AT_ONCE = 50;
const PROOF_EVERY_MS = 500;

/**
 * A position in the stream: the id of the last entry before it, and the number of entries that have ever been added up
 * to that position.
 */
export interface Position {
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
      if (events.length > 1) await nextTurn(); // lets requests run in between
    }
  }

  /** Reads entries until the position no longer fits the stream. */
  async function readOn(connection: RedisConnection, from: Position): Promise<void> {
    let position = from;
    let provenMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const askedMs = monotonicMs();
      const [end, entries] = await Promise.all([
        askedMs - provenMs < PROOF_EVERY_MS ? null : endOf(connection), // Redis answers in this order
        entriesAfter(connection, position),
      ]);
      await take(entries);
      const proof = end && prove(position, entries, end);
      if (proof === 'broken') return;
      if (proof === 'whole') {
        provenMs = askedMs;
        deps.onWhole(askedMs);
      }
      position = { id: entries.at(-1)?.[0] ?? position.id, added: position.added + entries.length };
    }
  }

  async function work(connection: RedisConnection): Promise<void> {
    for (;;) {
      const position = await endOf(connection);
      deps.onGap(); // in this order: later entries are read after the position, and earlier events are in PostgreSQL
      await readOn(connection, position);
      deps.onLost();
    }
  }

  return holdRedis({ ...deps, key: STREAM_KEY, answerMs: ANSWER_MS, work });
}

/**
 * Returns `whole` if every entry up to the end has been read, `broken` if an entry is missing, and `open` if more
 * entries must be read first. Redis counts the entries that have ever been added. The count does not fit if the stream
 * was flushed and started again, if entries were deleted or trimmed before they were read, or if a Redis replica
 * without some of them took over.
 */
export function prove(position: Position, entries: readonly Entry[], end: Position): 'whole' | 'broken' | 'open' {
  if (end.id === position.id) return end.added === position.added ? 'whole' : 'broken';
  const at = entries.findIndex(([id]) => id === end.id);
  if (at === -1) return entries.length === ENTRIES_AT_ONCE ? 'open' : 'broken';
  return end.added === position.added + at + 1 ? 'whole' : 'broken';
}

/** The end of the stream. A stream that does not exist counts as empty. */
async function endOf(connection: RedisConnection): Promise<Position> {
  let answer: unknown;
  try {
    answer = await connection.ask('XINFO', 'STREAM', STREAM_KEY);
  } catch (error) {
    if (/no such key/i.test((error as Error).message)) return { id: '0-0', added: 0 };
    throw error;
  }
  const facts = Array.isArray(answer) ? answer : [];
  const [id, added] = ['last-generated-id', 'entries-added'].map((name) => facts[facts.indexOf(name) + 1]);
  if (typeof id === 'string' && typeof added === 'number') return { id, added };
  throw new RedisRefused('it does not count the entries of a stream, as Redis 7 does');
}

async function entriesAfter(connection: RedisConnection, { id }: Position): Promise<readonly Entry[]> {
  const answer = await connection.ask(
    ...(['XREAD', 'COUNT', ENTRIES_AT_ONCE, 'BLOCK', BLOCK_MS, 'STREAMS', STREAM_KEY, id] as const),
  );
  if (answer === null) return [];
  // [[key, [[id, [name, value, …]], …]]]
  return (answer as [[string, Entry[]]])[0][1];
}
