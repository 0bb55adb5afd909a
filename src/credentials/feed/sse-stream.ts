// One open stream: what its consumer has to be told first, then the news of its channel, and heartbeats while everything
// has been told. It is written as its consumer reads; one that does not keep up is cut off, and may come again.
import type { ClientCaller } from '../../protocol/caller.ts';
import type { Beginning } from './beginning.ts';
import type { Channel } from './channel.ts';
import { heartbeatFrame, revocationFrame, STREAM_BEGIN, snapshotFrames } from './frames.ts';
import { PieceReader } from './piece-reader.ts';

/** Where the news of a stream come from. */
export interface News {
  readonly channel: Channel;
  /** The first place of the channel that the beginning may lack. */
  readonly place: number;
  /** Whether the channel has everything that is known up to a moment ago. */
  isUpToDate(): boolean;
  /** The cursor of whoever has read the channel to its end. */
  cursor(): string;
  leave(): void;
}

export interface Subscriber {
  readonly client: ClientCaller;
  /** When its token ends, in seconds since 1970. */
  readonly expiresAt: number;
}

export interface FeedStreamOptions {
  readonly subscriber: Subscriber;
  readonly beginning: Beginning;
  readonly news: News;
  /** Whether the token of the subscriber is good no more. */
  readonly isOver: (subscriber: Subscriber) => boolean;
  readonly now: () => Date;
  readonly onClose: (stream: FeedStream) => void;
}

export class FeedStream {
  readonly subscriber: Subscriber;
  readonly reader: PieceReader;
  readonly #options: FeedStreamOptions;
  #place: number;
  #ended = false;
  #begun = false;
  #beatDue = true; // who comes back learns at once when all that was missed has been told
  #wake: () => void = () => undefined;

  constructor(options: FeedStreamOptions) {
    this.subscriber = options.subscriber;
    this.#options = options;
    this.#place = options.news.place;
    this.reader = new PieceReader(this.#pieces(), () => {
      this.#ended = true;
      this.#wake();
      options.onClose(this);
    });
  }

  /** Whether it must not go on. */
  get isOver(): boolean {
    return this.#ended || this.#options.isOver(this.subscriber);
  }

  /**
   * Lets it look for news. Cuts it off when it has not read for so long that some of them are gone: not before it knows
   * where to go on when it comes again.
   */
  lookAgain(): void {
    if (this.#begun && this.#options.news.channel.isLost(this.#place)) this.end();
    else this.#wake();
  }

  /** A heartbeat is due. */
  beat(): void {
    this.#beatDue = true;
    this.lookAgain();
  }

  /** Ends it. Who waits for more sees a proper end; who does not read what there is would not read that either. */
  end(): void {
    this.#ended = true;
    if (this.reader.isAsking) this.#wake();
    else this.reader.destroy();
  }

  async *#pieces(): AsyncGenerator<string | Buffer> {
    yield STREAM_BEGIN;
    for await (const piece of begin(this.#options.beginning)) {
      if (this.isOver) return;
      yield piece;
    }
    this.#begun = true;
    const { channel, isUpToDate, cursor } = this.#options.news;
    while (!this.isOver && !channel.isLost(this.#place)) {
      const chunk = channel.read(this.#place);
      if (chunk) {
        this.#place = chunk.next;
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

async function* begin(beginning: Beginning): AsyncGenerator<string> {
  if (beginning.kind === 'everything') return yield* snapshotFrames(beginning.cursor, beginning.events);
  for await (const slice of beginning.events) {
    yield slice.map(({ cursor, revocation }) => revocationFrame(cursor, revocation)).join('');
  }
}
