// One open stream: the initial events, then new events of its channel, and heartbeats while no event waits to be sent.
// The stream is written as fast as its consumer reads. A consumer that is too slow is disconnected, and may connect
// again.
import type { ClientCaller } from '../../protocol/caller.ts';
import type { Channel } from './channel.ts';
import { ChunkReader } from './chunk-reader.ts';
import { heartbeatFrame, revocationFrame, STREAM_BEGIN, snapshotFrames } from './frames.ts';
import type { InitialEvents } from './initial-events.ts';

/** The source of a stream's new events. */
export interface Subscription {
  readonly channel: Channel;
  /** The position in the channel from which events may be missing in the initial events. */
  readonly position: number;
  /** Whether the channel has every event up to a moment ago. */
  isUpToDate(): boolean;
  /** The cursor for a consumer that has read the channel to its end. */
  cursor(): string;
  leave(): void;
}

export interface Subscriber {
  readonly client: ClientCaller;
  /** When the token of the stream ends, in seconds since 1970. */
  readonly expiresAt: number;
}

export interface FeedStreamOptions {
  readonly subscriber: Subscriber;
  readonly initial: InitialEvents;
  readonly subscription: Subscription;
  /** Whether the subscriber's token has expired or has been revoked. */
  readonly isOver: (subscriber: Subscriber) => boolean;
  readonly now: () => Date;
  readonly onClose: (stream: FeedStream) => void;
}

export class FeedStream {
  readonly subscriber: Subscriber;
  readonly reader: ChunkReader;
  readonly #options: FeedStreamOptions;
  #position: number;
  #ended = false;
  #initialSent = false;
  #beatDue = true; // the first heartbeat says at once that the consumer has every event it missed
  #wake: () => void = () => undefined;

  constructor(options: FeedStreamOptions) {
    this.subscriber = options.subscriber;
    this.#options = options;
    this.#position = options.subscription.position;
    this.reader = new ChunkReader(this.#chunks(), () => {
      this.#ended = true;
      this.#wake();
      options.onClose(this);
    });
  }

  /** Whether the stream must end. */
  get isOver(): boolean {
    return this.#ended || this.#options.isOver(this.subscriber);
  }

  /**
   * Reads the channel again. Ends the stream if its position is lost, but only after the consumer has received the
   * initial events, which contain a cursor to continue at.
   */
  onAppend(): void {
    if (this.#initialSent && this.#options.subscription.channel.isLost(this.#position)) this.end();
    else this.#wake();
  }

  /** Asks for a heartbeat. It is sent once no event waits and the channel is up to date. */
  beat(): void {
    this.#beatDue = true;
    this.onAppend();
  }

  /**
   * Ends the stream. A consumer that waits for more events gets a regular end of the stream. A consumer that does not
   * read is disconnected.
   */
  end(): void {
    this.#ended = true;
    if (this.reader.isWaiting) this.#wake();
    else this.reader.destroy();
  }

  async *#chunks(): AsyncGenerator<string | Buffer> {
    yield STREAM_BEGIN;
    for await (const text of framesOf(this.#options.initial)) {
      if (this.isOver) return;
      yield text;
    }
    this.#initialSent = true;
    const { channel, isUpToDate, cursor } = this.#options.subscription;
    while (!this.isOver && !channel.isLost(this.#position)) {
      const chunk = channel.read(this.#position);
      if (chunk) {
        this.#position = chunk.next;
        yield chunk.bytes;
      } else if (this.#beatDue && isUpToDate()) {
        this.#beatDue = false;
        yield heartbeatFrame(cursor(), this.#options.now());
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

async function* framesOf(initial: InitialEvents): AsyncGenerator<string> {
  if (initial.kind === 'everything') return yield* snapshotFrames(initial.cursor, initial.events);
  for await (const slice of initial.events) {
    yield slice.map(({ cursor, revocation }) => revocationFrame(cursor, revocation)).join('');
  }
}
