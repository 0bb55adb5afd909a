// News for the streams of organizations: one reading of PostgreSQL for all of them, because only it knows whom an event
// concerns. Each organization with streams has a channel.
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../base/database/db.ts';
import { monotonicMs } from '../../base/platform/clock.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { READ_WITHIN_SECONDS } from '../revocations/revocations.ts';
import { cursorOf, PAGE_ROWS } from './beginning.ts';
import { type Channel, createChannel } from './channel.ts';
import { encodeCursor } from './cursor.ts';
import { revocationFrame } from './frames.ts';
import { type FeedPage, type Head, listFeedPage, readHead } from './store.ts';

export interface OrganizationNews {
  /**
   * Begins to gather what an organization may know of. Whoever reads PostgreSQL after it has resolved and then the
   * channel from `place` on misses nothing. Raises DatabaseUnavailable.
   */
  follow(organizationId: string): Promise<Followed>;
  /** Whether anybody waits for news. */
  isFollowed(): boolean;
  /** Reads what is new, in a reading that has not begun yet. Raises DatabaseUnavailable. */
  read(): Promise<void>;
  /** How long ago the last reading began, in seconds; infinite when it failed. */
  readSecondsAgo(): number;
  /** From where somebody who has read a channel to its end goes on. */
  cursor(): string;
}

export interface Followed {
  readonly channel: Channel;
  readonly place: number;
  leave(): void;
}

const CHANNEL_BYTES_MAX = 2 * 1024 * 1024;
// News come in flocks: this much later one reading serves them all.
const GATHER_MS = 5;

export interface OrganizationNewsDeps {
  readonly db: Database;
  /** Called after something was appended to a channel. */
  readonly onNews: () => void;
  /** The database was replaced or set back: who was told things before has to begin anew. */
  readonly onOtherDatabase: () => void;
}

export function openOrganizationNews({ db, onNews, onOtherDatabase }: OrganizationNewsDeps): OrganizationNews {
  const followed = new Map<string, { channel: Channel; followers: number }>();
  let known: Head | undefined;
  let readAt: number | undefined;
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  function tell(page: FeedPage, id: string): void {
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
    let reached: Head | undefined;
    for (let after: FeedPage['next'] = { tx: since.horizon, id: NIL_ID }; after; ) {
      const asked = { after, withinSeconds: READ_WITHIN_SECONDS, rows: PAGE_ROWS, seen: since };
      const page: FeedPage = await listFeedPage(reader, [...followed.keys()], asked);
      if (page.database !== since.database || BigInt(page.horizon) < BigInt(since.horizon)) {
        known = undefined;
        readAt = undefined;
        return onOtherDatabase();
      }
      tell(page, encodeCursor(cursorOf(since)));
      reached ??= page;
      after = page.next;
    }
    known = reached;
    readAt = begun;
  }

  // No loop of base/loops: nothing is read but for somebody who waits for it and is told when it fails.
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
      const entry = followed.get(organizationId) ?? { channel: createChannel(CHANNEL_BYTES_MAX, onNews), followers: 0 };
      followed.set(organizationId, entry);
      entry.followers += 1;
      const { channel } = entry;
      const place = channel.end();
      const leave = () => {
        entry.followers -= 1;
        if (entry.followers === 0) followed.delete(organizationId);
      };
      try {
        await read(); // it knows of this organization: the next one goes on where this one ends
      } catch (error) {
        leave();
        throw error;
      }
      return { channel, place, leave };
    },
    isFollowed: () => followed.size > 0,
    read,
    readSecondsAgo: () => (readAt === undefined ? Number.POSITIVE_INFINITY : (monotonicMs() - readAt) / 1000),
    cursor: () => (known ? encodeCursor(cursorOf(known)) : ''),
  };
}
