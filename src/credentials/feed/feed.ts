// The feed of revocations for consumers that verify tokens themselves: a document for who asks now and then, a stream for
// who must know within moments. Clients of the installation are told everything, from memory; those of an organization
// what concerns it, from PostgreSQL, which alone knows that.
import type { Readable } from 'node:stream';
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { Log } from '../../base/platform/log.ts';
import type { ClientCaller } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { RevocationCursor, Revocations } from '../revocations/revocations.ts';
import { type Beginning, type Missed, readAll, readSince } from './beginning.ts';
import { createChannel } from './channel.ts';
import { encodeCursor } from './cursor.ts';
import { documentPieces, inSlices, revocationFrame } from './frames.ts';
import { openOrganizationNews } from './organization-news.ts';
import { PieceReader } from './piece-reader.ts';
import { createPlaces } from './slots.ts';
import { FeedStream, type News, type Subscriber } from './sse-stream.ts';
import { readHead } from './store.ts';

export type { Subscriber } from './sse-stream.ts';

export interface FeedDeps {
  readonly db: Database;
  readonly log: Log;
  readonly clock: Clock;
  readonly revocations: Pick<Revocations, 'events' | 'cursor' | 'onRevocation' | 'judge' | 'freshSecondsAgo'>;
  readonly streamsMax: number;
  readonly streamsPerClientMax: number;
  /** 3,000 unless told. */
  readonly heartbeatMs?: number;
}

export interface Feed {
  /**
   * One JSON document: everything, or what came since a cursor where that is a good one. Raises DatabaseUnavailable, and
   * revocations_stale while this process is not up to date.
   */
  document(client: ClientCaller, after: string | null): Promise<Readable>;
  /**
   * The same as events, and then every one as it comes, until the token ends. Raises as `document`, and too_many_requests
   * or service_busy when too many streams are open.
   */
  stream(subscriber: Subscriber, after: string | null): Promise<Readable>;
  /** Ends all streams, and opens no more. */
  close(): void;
}

const HEARTBEAT_MS = 3_000;
/** Who has not looked for so long does not say that everything is known. */
const FRESH_SECONDS_MAX = 5;
const CHANNEL_BYTES_MAX = 8 * 1024 * 1024;
/** Events that may end the token of a subscriber. */
const OF_CLIENTS: readonly Revocation['kind'][] = ['client', 'organization', 'everything'];

export function openFeed(deps: FeedDeps): Feed {
  const { clock, revocations } = deps;
  const streams = new Set<FeedStream>();
  const bounds = { max: deps.streamsMax, perClientMax: deps.streamsPerClientMax };
  const places = createPlaces(bounds);
  const documents = createPlaces(bounds); // one that nobody reads holds as much memory as a stream
  const sources = openSources(deps, streams);
  let closed = false;
  const isOver = ({ client, expiresAt }: Subscriber) =>
    expiresAt <= clock.now().getTime() / 1000 || revocations.judge(client) !== null;

  let looking = false;
  function endOver(): void {
    looking = false;
    for (const stream of [...streams]) if (stream.isOver) stream.end();
  }
  const forgetListener = revocations.onRevocation((revocation) => {
    if (places.taken() === 0) return;
    sources.tell(revocation);
    if (!OF_CLIENTS.includes(revocation.kind)) return;
    if (!looking) setImmediate(endOver);
    looking = true;
  });

  async function beat(): Promise<void> {
    if (streams.size === 0) return;
    endOver();
    await sources.read();
    for (const stream of [...streams]) stream.beat();
  }
  // No loop of base/loops: heartbeats keep their distance however long the reading before one takes.
  const timer = setInterval(() => void beat(), deps.heartbeatMs ?? HEARTBEAT_MS).unref();

  return {
    async document(client, after) {
      const giveBack = documents.take(client.id, client.organizationId);
      try {
        return new PieceReader(piecesOf(await sources.begin(client.organizationId, after)), giveBack);
      } catch (error) {
        giveBack();
        throw error;
      }
    },
    async stream(subscriber, after) {
      if (closed) throw problem('service_busy', { retryAfterSeconds: 1 });
      const giveBack = places.take(subscriber.client.id, subscriber.client.organizationId);
      let news: News | undefined;
      try {
        const { organizationId } = subscriber.client;
        // The news first: what happens while the beginning is read is in one of them.
        news = await sources.follow(organizationId);
        const beginning = await sources.begin(organizationId, after);
        if (closed) throw problem('service_busy', { retryAfterSeconds: 1 });
        const { leave } = news;
        const onClose = (over: FeedStream) => {
          streams.delete(over);
          leave();
          giveBack();
        };
        const stream = new FeedStream({ subscriber, beginning, news, isOver, now: () => clock.now(), onClose });
        streams.add(stream);
        void sources.read(); // what has happened since it followed was told to nobody yet
        return stream.reader;
      } catch (error) {
        news?.leave();
        giveBack();
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

function piecesOf(beginning: Beginning) {
  const { cursor } = beginning;
  return beginning.kind === 'everything'
    ? documentPieces({ cursor, snapshot: true }, beginning.events)
    : documentPieces({ cursor, snapshot: false }, revocationsOf(beginning.events));
}

async function* revocationsOf(missed: Missed['events']): AsyncGenerator<Revocation[]> {
  for await (const slice of missed) yield slice.map(({ revocation }) => revocation);
}

interface Sources {
  /** What a client is to be told first. Raises DatabaseUnavailable, revocations_stale. */
  begin(organizationId: string | null, after: string | null): Promise<Beginning>;
  follow(organizationId: string | null): Promise<News>;
  /** Passes an event on to the streams that may know of it. */
  tell(revocation: Revocation): void;
  /** Brings the streams of organizations up to date, if that can be. */
  read(): Promise<void>;
}

function openSources(deps: FeedDeps, streams: ReadonlySet<FeedStream>): Sources {
  const { db, revocations } = deps;
  const isFresh = () => revocations.freshSecondsAgo() <= FRESH_SECONDS_MAX;
  const isOfOrganization = ({ subscriber }: FeedStream) => subscriber.client.organizationId !== null;
  const onNews = () => {
    for (const stream of [...streams]) stream.lookAgain();
  };
  const installation = createChannel(CHANNEL_BYTES_MAX, onNews);
  const organizations = openOrganizationNews({
    db,
    onNews,
    onOtherDatabase: () => [...streams].filter(isOfOrganization).map((stream) => stream.end()),
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

  async function beginOfInstallation(): Promise<Beginning> {
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
    async begin(organizationId, after) {
      const own = organizationId === null ? null : [organizationId];
      if (own === null) database ??= (await readHead(db.systemReader())).database;
      const since = after === null ? null : await readSince(db, own, after);
      return since ?? (own === null ? beginOfInstallation() : readAll(db, own));
    },
    async follow(organizationId) {
      if (organizationId === null) {
        return {
          channel: installation,
          place: installation.end(),
          isUpToDate: isFresh,
          cursor,
          leave: () => undefined,
        };
      }
      const followed = await organizations.follow(organizationId);
      const isUpToDate = () => organizations.readSecondsAgo() <= FRESH_SECONDS_MAX;
      return { ...followed, isUpToDate, cursor: organizations.cursor };
    },
    tell(revocation) {
      installation.append(revocationFrame(cursor(), revocation));
      void read();
    },
    read,
  };
}
