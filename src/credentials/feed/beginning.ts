// What somebody is told first: everything, or what came since a cursor; and which of the two a cursor allows.
import type { Database } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { READ_WITHIN_SECONDS } from '../revocations/revocations.ts';
import type { RevocationPlace } from '../revocations/store.ts';
import { decodeCursor, encodeCursor, type FeedCursor } from './cursor.ts';
import { inSlices } from './frames.ts';
import { type FeedPage, type Head, type Judged, judgeCursor, listFeedPage, type Told } from './store.ts';

/** What somebody is told first. `cursor` is where whoever has read all of it goes on. */
export type Beginning = Everything | Missed;

/** Everything, whatever was known before. */
export interface Everything {
  readonly kind: 'everything';
  readonly cursor: string;
  readonly events: AsyncIterable<readonly Revocation[]>;
}

/** What came since a cursor, some of it perhaps again. */
export interface Missed {
  readonly kind: 'missed';
  readonly cursor: string;
  readonly events: AsyncIterable<readonly MissedEvent[]>;
}

export interface MissedEvent {
  readonly revocation: Revocation;
  /** Where whoever has read up to it goes on. */
  readonly cursor: string;
}

/** Rows that one statement looks at. */
export const PAGE_ROWS = 2_000;
/** Clocks of a database and the one that took its place may differ so much. */
const SKEW_MS = 60_000;

/** The cursor of whoever knows all that a reading could see. */
export function cursorOf({ database, horizon, now }: Head): FeedCursor {
  return { database, tx: horizon, at: now };
}

/** Whether what came since the cursor can be told from this database. */
function isUsable({ database, tx, at }: FeedCursor, judged: Judged): boolean {
  if (judged.database !== database || judged.setBack) return false;
  if (BigInt(tx) > BigInt(judged.ahead) || at > judged.now + SKEW_MS) return false; // from the future
  return at > judged.now - READ_WITHIN_SECONDS * 1000;
}

/**
 * What came since a cursor, of all for null, else of what these organizations may know of; null when the cursor is no
 * place in this database, or too old a one. Raises DatabaseUnavailable.
 */
export async function readSince(
  db: Database,
  organizations: readonly string[] | null,
  after: string,
): Promise<Missed | null> {
  const since = decodeCursor(after);
  if (!since || !isUsable(since, await judgeCursor(db.systemReader(), since))) return null;
  const { first, events } = await readPages(db, organizations, since.tx);
  const horizon = BigInt(first.horizon);
  // Rows come in the order of their transactions: of older ones than the row's own, and than any that was still running
  // at the first reading, nothing is to come any more.
  const cursorAt = ({ tx }: Told) =>
    encodeCursor({ ...cursorOf(first), tx: BigInt(tx) < horizon ? tx : first.horizon });
  return {
    kind: 'missed',
    cursor: encodeCursor(cursorOf(first)),
    events: mapped(events, (told) => ({ revocation: told.revocation, cursor: cursorAt(told) })),
  };
}

/** Everything that these organizations may know of. Raises DatabaseUnavailable. */
export async function readAll(db: Database, organizations: readonly string[]): Promise<Everything> {
  const { first, events } = await readPages(db, organizations, '0');
  const cursor = encodeCursor(cursorOf(first));
  return { kind: 'everything', cursor, events: mapped(events, ({ revocation }) => revocation) };
}

async function* mapped<A, B>(slices: AsyncIterable<readonly A[]>, map: (one: A) => B): AsyncGenerator<B[]> {
  for await (const slice of slices) yield slice.map(map);
}

/** Reads page by page, each when it is asked for; the first one now, so that an outage is told before anything else. */
async function readPages(db: Database, organizations: readonly string[] | null, tx: string) {
  const asked = { withinSeconds: READ_WITHIN_SECONDS, rows: PAGE_ROWS, seen: null };
  const read = (after: RevocationPlace) => listFeedPage(db.systemReader(), organizations, { after, ...asked });
  const first = await read({ tx, id: NIL_ID });
  async function* events(): AsyncGenerator<readonly Told[]> {
    for (let page: FeedPage = first; ; page = await read(page.next)) {
      yield* inSlices(page.events);
      if (page.next === null) return;
    }
  }
  return { first, events: events() };
}
