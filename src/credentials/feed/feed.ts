// The feed of revocations for services that verify tokens themselves: a JSON document for occasional requests, and
// server-sent events for consumers that must know within moments. A client of the installation gets every event. Its
// events come from memory, except those since a cursor, which are read from PostgreSQL. A client of an organization
// gets only the events that its organization may see. They are always read from PostgreSQL, because the events in
// memory do not name their organizations.
import type { Readable } from 'node:stream';
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { ClientCaller } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { RevocationCursor, Revocations } from '../revocations/revocations.ts';
import { createChannel } from './channel.ts';
import { ChunkReader } from './chunk-reader.ts';
import { encodeCursor } from './cursor.ts';
import { documentChunks, inSlices, revocationFrame } from './frames.ts';
import { type InitialEvents, type Missed, readAll, readSince } from './initial-events.ts';
import { openOrganizationChannels } from './organization-channels.ts';
import { createFeedSlots } from './slots.ts';
import { FeedStream, type Subscriber, type Subscription } from './sse-stream.ts';
import { readHead } from './store.ts';

export type { Subscriber } from './sse-stream.ts';

export interface FeedDeps {
  readonly db: Database;
  readonly log: Log;
  readonly clock: Clock;
  readonly revocations: Pick<
    Revocations,
    'events' | 'cursor' | 'onRevocation' | 'judge' | 'freshSecondsAgo' | 'isClockTrusted' | 'doubtedBefore'
  >;
  readonly streamsMax: number;
  readonly streamsPerClientMax: number;
  /** Default: 3,000. */
  readonly heartbeatMs?: number;
}

export interface Feed {
  /**
   * One JSON document: every event, or the events since `after` if that cursor is usable. Raises DatabaseUnavailable,
   * revocations_stale while this process is not up to date, and too_many_requests or service_busy when too many
   * documents are being read.
   */
  document(client: ClientCaller, after: string | null): Promise<Readable>;
  /**
   * The same events as server-sent events, and then every new event until the subscriber's token ends. Raises
   * DatabaseUnavailable and revocations_stale as `document` does, and too_many_requests or service_busy when too many
   * streams are open.
   */
  stream(subscriber: Subscriber, after: string | null): Promise<Readable>;
  /** Ends all streams, and opens no more. */
  close(): void;
}

const HEARTBEAT_MS = 3_000;
/** No heartbeat is sent once the last proof that every revocation is known is older than this number of seconds. */
const FRESH_SECONDS_MAX = 5;
const CHANNEL_BYTES_MAX = 8 * 1024 * 1024;
/** The kinds of revocation that may end the token of a subscriber. */
const OF_CLIENTS: readonly Revocation['kind'][] = ['client', 'organization', 'key', 'everything'];

export function openFeed(deps: FeedDeps): Feed {
  const { clock, revocations } = deps;
  const streams = new Set<FeedStream>();
  const bounds = { max: deps.streamsMax, perClientMax: deps.streamsPerClientMax };
  const streamSlots = createFeedSlots(bounds);
  // A document that its client does not read takes as much memory as a stream.
  const documentSlots = createFeedSlots(bounds);
  const sources = openSources(deps, streams);
  let closed = false;
  const isOver = ({ client, expiresAt }: Subscriber) =>
    expiresAt <= clock.now().getTime() / 1000 || revocations.judge(client) !== null;

  let isEndingDue = false;
  function endOver(): void {
    isEndingDue = false;
    for (const stream of [...streams]) if (stream.isOver) stream.end();
  }
  const forgetListener = revocations.onRevocation((revocation) => {
    if (streamSlots.taken() === 0) return;
    sources.send(revocation);
    if (!OF_CLIENTS.includes(revocation.kind)) return;
    if (!isEndingDue) setImmediate(endOver);
    isEndingDue = true;
  });

  async function beat(): Promise<void> {
    if (streams.size === 0) return;
    endOver();
    await sources.read();
    for (const stream of [...streams]) stream.beat();
  }
  // The heartbeat is not a loop of base/loops, because the time between heartbeats must not depend on how long a
  // reading takes.
  const timer = setInterval(() => void beat(), deps.heartbeatMs ?? HEARTBEAT_MS).unref();

  return {
    async document(client, after) {
      const release = documentSlots.take(client.id, client.organizationId);
      try {
        return new ChunkReader(chunksOf(await sources.initialEvents(client.organizationId, after)), release);
      } catch (error) {
        release();
        throw error;
      }
    },
    async stream(subscriber, after) {
      if (closed) throw problem('service_busy', { retryAfterSeconds: 1 });
      const release = streamSlots.take(subscriber.client.id, subscriber.client.organizationId);
      let subscription: Subscription | undefined;
      try {
        const { organizationId } = subscriber.client;
        // The subscription begins before the initial events are read. So an event that happens in that time is in the
        // channel or among the initial events.
        subscription = await sources.follow(organizationId);
        const initial = await sources.initialEvents(organizationId, after);
        if (closed) throw problem('service_busy', { retryAfterSeconds: 1 });
        const { leave } = subscription;
        const onClose = (over: FeedStream) => {
          streams.delete(over);
          leave();
          release();
        };
        const stream = new FeedStream({ subscriber, initial, subscription, isOver, now: () => clock.now(), onClose });
        streams.add(stream);
        void sources.read(); // sends the events since the subscription began
        return stream.reader;
      } catch (error) {
        subscription?.leave();
        release();
        throw error;
      }
    },
    close() {
      closed = true;
      clearInterval(timer);
      forgetListener();
      for (const stream of [...streams]) stream.end();
    },
  };
}

function chunksOf(initial: InitialEvents) {
  const { cursor } = initial;
  return initial.kind === 'everything'
    ? documentChunks({ cursor, snapshot: true }, initial.events)
    : documentChunks({ cursor, snapshot: false }, revocationsOf(initial.events));
}

async function* revocationsOf(missed: Missed['events']): AsyncGenerator<Revocation[]> {
  for await (const slice of missed) yield slice.map(({ revocation }) => revocation);
}

interface Sources {
  /** Returns the first part of an answer for a client. Raises DatabaseUnavailable and revocations_stale. */
  initialEvents(organizationId: string | null, after: string | null): Promise<InitialEvents>;
  follow(organizationId: string | null): Promise<Subscription>;
  /** Sends an event to the streams that may get the event. */
  send(revocation: Revocation): void;
  /**
   * Reads new events for the streams of organizations. Does not raise: the first of several failures in a row is
   * logged.
   */
  read(): Promise<void>;
}

function openSources(deps: FeedDeps, streams: ReadonlySet<FeedStream>): Sources {
  const { db, revocations } = deps;
  // A heartbeat has the current time, with which consumers compare their clocks. It also says that nothing is in doubt.
  const isTrusted = () => revocations.isClockTrusted() && revocations.doubtedBefore() === 0;
  const isFresh = () => revocations.freshSecondsAgo() <= FRESH_SECONDS_MAX && isTrusted();
  const isOfOrganization = ({ subscriber }: FeedStream) => subscriber.client.organizationId !== null;
  const onAppend = () => {
    for (const stream of [...streams]) stream.onAppend();
  };
  const installation = createChannel(CHANNEL_BYTES_MAX, onAppend);
  const organizations = openOrganizationChannels({
    db,
    onAppend,
    onDatabaseReplaced: () => [...streams].filter(isOfOrganization).map((stream) => stream.end()),
  });
  let database: string | undefined;
  let written: { readonly of: RevocationCursor; readonly database: string; readonly text: string } | undefined;
  let failing = false;

  function cursor(): string {
    const of = revocations.cursor();
    const known = database ?? '';
    if (written?.of !== of || written.database !== known) {
      written = { of, database: known, text: encodeCursor({ database: known, ...of }) };
    }
    return written.text;
  }

  async function everything(): Promise<InitialEvents> {
    if (!isFresh()) throw problem('revocations_stale', { retryAfterSeconds: 1 });
    return { kind: 'everything', cursor: cursor(), events: inSlices(revocations.events()) };
  }

  async function read(): Promise<void> {
    if (!organizations.isFollowed()) return;
    try {
      await organizations.read();
      failing = false;
    } catch (error) {
      if (!failing) deps.log.warn({ reason: (error as Error).message }, 'streams of organizations wait for PostgreSQL');
      failing = true;
    }
  }

  return {
    async initialEvents(organizationId, after) {
      // A client that asks only now and then gets documents and no heartbeats. So no document may be sent while this
      // process does not trust its clock, or may lack revocations.
      if (!isTrusted()) throw problem('revocations_stale', { retryAfterSeconds: 1 });
      const own = organizationId === null ? null : [organizationId];
      if (own === null) database ??= (await readHead(db.systemReader())).database;
      const since = after === null ? null : await readSince(db, own, after);
      return since ?? (own === null ? everything() : readAll(db, own));
    },
    async follow(organizationId) {
      if (organizationId === null) {
        return {
          channel: installation,
          position: installation.end(),
          isUpToDate: isFresh,
          cursor,
          leave: () => undefined,
        };
      }
      const followed = await organizations.follow(organizationId);
      const isUpToDate = () => organizations.readSecondsAgo() <= FRESH_SECONDS_MAX && isTrusted();
      return { ...followed, isUpToDate, cursor: organizations.cursor };
    },
    send(revocation) {
      installation.append(revocationFrame(cursor(), revocation));
      void read();
    },
    read,
  };
}
