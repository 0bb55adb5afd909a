// New events for the streams of organizations. Each organization with streams has a channel. The events are read from
// PostgreSQL, because the events in memory do not name their organizations. One reading serves all channels.
import { setTimeout as delay } from 'node:timers/promises';
import type { Database, SystemReader } from '../../base/database/db.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { READ_WITHIN_SECONDS } from '../revocations/revocations.ts';
import { type Channel, createChannel } from './channel.ts';
import { encodeCursor } from './cursor.ts';
import { revocationFrame } from './frames.ts';
import { cursorAfter, PAGE_ROWS } from './initial-events.ts';
import { type FeedPage, type Head, listFeedPage, readHead } from './store.ts';

export interface OrganizationChannels {
  /**
   * Begins to collect the events that an organization may see. A caller misses no event if it first waits for this,
   * then reads PostgreSQL, and then reads the channel from `position`. Raises DatabaseUnavailable.
   */
  follow(organizationId: string): Promise<Followed>;
  /** Whether any organization is followed. */
  isFollowed(): boolean;
  /** Reads new events, in a reading that begins after this call. Raises DatabaseUnavailable. */
  read(): Promise<void>;
  /**
   * How long ago the last reading began, in seconds. Infinity before the first reading, and if the last one failed or
   * found another database.
   */
  readSecondsAgo(): number;
  /** The cursor for a consumer that has read a channel to its end. */
  cursor(): string;
}

export interface Followed {
  readonly channel: Channel;
  readonly position: number;
  leave(): void;
}

const CHANNEL_BYTES_MAX = 2 * 1024 * 1024;
// Events often come in groups. After this delay, one reading usually finds the whole group.
const GATHER_MS = 5;

export interface OrganizationChannelsDeps {
  readonly db: Database;
  /** Called after something has been appended to a channel. */
  readonly onAppend: () => void;
  /** Called when the database has been replaced or restored, so that consumers must start again. */
  readonly onDatabaseReplaced: () => void;
}

export function openOrganizationChannels({
  db,
  onAppend,
  onDatabaseReplaced,
}: OrganizationChannelsDeps): OrganizationChannels {
  const followed = new Map<string, { channel: Channel; followers: number }>();
  let known: Head | undefined;
  let readAt: number | undefined;
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  function append(page: FeedPage, id: string): void {
    for (const { revocation, organization } of page.events) {
      followed.get(organization ?? '')?.channel.append(revocationFrame(id, revocation));
    }
  }

  async function readNow(): Promise<void> {
    const begun = monotonicMs();
    const reader = db.systemReader();
    if (followed.size === 0 || !known) {
      known = followed.size === 0 ? undefined : await readHead(reader);
      readAt = known && begun;
      return;
    }
    const since = known;
    const id = encodeCursor(cursorAfter(since));
    known = await readSince(reader, [...followed.keys()], since, (page) => append(page, id));
    readAt = known && begun;
    if (!known) onDatabaseReplaced();
  }

  // `read` is not a loop of base/loops, because every reading has a caller that waits for the result and handles a
  // failure.
  function read(): Promise<void> {
    next ??= (async () => {
      await Promise.allSettled([running, delay(GATHER_MS)]);
      next = undefined;
      running = readNow().catch((error: unknown) => {
        readAt = undefined;
        throw error;
      });
      await running;
    })();
    return next;
  }

  return {
    async follow(organizationId) {
      const entry = followed.get(organizationId) ?? {
        channel: createChannel(CHANNEL_BYTES_MAX, onAppend),
        followers: 0,
      };
      followed.set(organizationId, entry);
      entry.followers += 1;
      const { channel } = entry;
      const position = channel.end();
      const leave = () => {
        entry.followers -= 1;
        if (entry.followers === 0) followed.delete(organizationId);
      };
      try {
        await read(); // this reading includes the organization; the next reading continues where this one ends
      } catch (error) {
        leave();
        throw error;
      }
      return { channel, position, leave };
    },
    isFollowed: () => followed.size > 0,
    read,
    readSecondsAgo: () => (readAt === undefined ? Number.POSITIVE_INFINITY : (monotonicMs() - readAt) / 1000),
    cursor: () => (known ? encodeCursor(cursorAfter(known)) : ''),
  };
}

/**
 * Passes to `take` the revocations that have been committed since a reading, page by page. Returns the new reading, or
 * undefined if the database has been replaced or restored. Raises DatabaseUnavailable.
 */
async function readSince(
  reader: SystemReader,
  organizations: readonly string[],
  since: Head,
  take: (page: FeedPage) => void,
): Promise<Head | undefined> {
  let reached: Head | undefined;
  for (let after: FeedPage['next'] = { tx: since.horizon, id: NIL_ID }; after; ) {
    const request = { after, withinSeconds: READ_WITHIN_SECONDS, rows: PAGE_ROWS, seen: since };
    const page: FeedPage = await listFeedPage(reader, organizations, request);
    if (page.database !== since.database || BigInt(page.horizon) < BigInt(since.horizon)) return undefined;
    take(page);
    reached ??= page;
    after = page.next;
  }
  return reached;
}
