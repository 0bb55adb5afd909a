// The first part of an answer of the feed: every event, or the events since a cursor. Decides whether a cursor is
// usable.
import type { Database } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { READ_WITHIN_SECONDS } from '../revocations/revocations.ts';
import type { RevocationPosition } from '../revocations/store.ts';
import { decodeCursor, encodeCursor, type FeedCursor } from './cursor.ts';
import { inSlices } from './frames.ts';
import { type FeedEvent, type FeedPage, type Head, type JudgedCursor, judgeCursor, listFeedPage } from './store.ts';

/** The first part of an answer. A reader that has read this whole part continues at `cursor`. */
export type InitialEvents = Everything | Missed;

/** Every remembered event that the client may see. */
export interface Everything {
  readonly kind: 'everything';
  readonly cursor: string;
  readonly events: AsyncIterable<readonly Revocation[]>;
}

/** The events since a cursor. The client may already have some of these events. */
export interface Missed {
  readonly kind: 'missed';
  readonly cursor: string;
  readonly events: AsyncIterable<readonly MissedEvent[]>;
}

export interface MissedEvent {
  readonly revocation: Revocation;
  /** The cursor at which a reader continues after this event. */
  readonly cursor: string;
}

/** Rows that one statement reads. */
export const PAGE_ROWS = 2_000;
/** How far the clocks of a database and of its replacement may differ. */
const SKEW_MS = 60_000;

/** The cursor of a client that knows every event that a reading of PostgreSQL could see. */
export function cursorAfter({ database, horizon, now }: Head): FeedCursor {
  return { database, tx: horizon, at: now };
}

/** Whether this database still has every event since the cursor. */
function isUsable({ database, tx, at }: FeedCursor, judged: JudgedCursor): boolean {
  if (judged.database !== database || judged.setBack) return false;
  if (BigInt(tx) > BigInt(judged.ahead) || at > judged.now + SKEW_MS) return false; // the cursor is from the future
  return at > judged.now - READ_WITHIN_SECONDS * 1000;
}

/**
 * The events since a cursor that these organizations may see; null for `organizations` means all events. Returns null
 * when the cursor is not usable: invalid, too old, from the future, or of another or a restored database. Raises
 * DatabaseUnavailable.
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
  // Rows are returned in the order of their transactions. So no later row belongs to a transaction that is older than
  // this row's transaction and also older than every transaction that was running at the first reading.
  const cursorAt = ({ tx }: FeedEvent) =>
    encodeCursor({ ...cursorAfter(first), tx: BigInt(tx) < horizon ? tx : first.horizon });
  return {
    kind: 'missed',
    cursor: encodeCursor(cursorAfter(first)),
    events: mapSlices(events, (event) => ({ revocation: event.revocation, cursor: cursorAt(event) })),
  };
}

/** Every event that these organizations may see. Raises DatabaseUnavailable. */
export async function readAll(db: Database, organizations: readonly string[]): Promise<Everything> {
  const { first, events } = await readPages(db, organizations, '0');
  const cursor = encodeCursor(cursorAfter(first));
  return { kind: 'everything', cursor, events: mapSlices(events, ({ revocation }) => revocation) };
}

async function* mapSlices<A, B>(slices: AsyncIterable<readonly A[]>, map: (one: A) => B): AsyncGenerator<B[]> {
  for await (const slice of slices) yield slice.map(map);
}

/**
 * Reads each page when it is needed. The first page is read at once, so that an outage raises an error before the
 * answer begins.
 */
async function readPages(db: Database, organizations: readonly string[] | null, tx: string) {
  const asked = { withinSeconds: READ_WITHIN_SECONDS, rows: PAGE_ROWS, seen: null };
  const read = (after: RevocationPosition) => listFeedPage(db.systemReader(), organizations, { after, ...asked });
  const first = await read({ tx, id: NIL_ID });
  async function* events(): AsyncGenerator<readonly FeedEvent[]> {
    for (let page: FeedPage = first; ; page = await read(page.next)) {
      yield* inSlices(page.events);
      if (page.next === null) return;
    }
  }
  return { first, events: events() };
}
