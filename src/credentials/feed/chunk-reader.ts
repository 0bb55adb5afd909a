// A Readable that makes each chunk only when it is needed. It makes at most one chunk more than the socket has room
// for.
import { Readable } from 'node:stream';

const BUFFERED_BYTES = 64 * 1024;

/** A stream of the chunks of a generator. It calls `onClose` once when the stream has ended or failed. */
export class ChunkReader extends Readable {
  readonly #chunks: AsyncGenerator<string | Buffer>;
  readonly #onClose: () => void;
  #waiting = false;

  constructor(chunks: AsyncGenerator<string | Buffer>, onClose: () => void = () => undefined) {
    super({ highWaterMark: BUFFERED_BYTES });
    this.#chunks = chunks;
    this.#onClose = onClose;
  }

  /** Whether the stream waits for its next chunk, because its buffer has room and no chunk is ready. */
  get isWaiting(): boolean {
    return this.#waiting;
  }

  override _read(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#chunks.next().then(
      ({ done, value }) => {
        this.#waiting = false;
        if (!this.destroyed) this.push(done ? null : value);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onClose();
    this.#chunks.return(undefined).catch(() => undefined); // takes effect at the generator's next step
    done(error);
  }
}
