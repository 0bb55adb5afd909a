// An answer that is written piece by piece, as its reader takes it: at most one piece beyond what the socket holds is made.
import { Readable } from 'node:stream';

const BUFFERED_BYTES = 64 * 1024;

/** Reads pieces when they are asked for, and tells once when it is over, however it ends. */
export class PieceReader extends Readable {
  readonly #pieces: AsyncGenerator<string | Buffer>;
  readonly #onClose: () => void;
  #asking = false;

  constructor(pieces: AsyncGenerator<string | Buffer>, onClose: () => void = () => undefined) {
    super({ highWaterMark: BUFFERED_BYTES });
    this.#pieces = pieces;
    this.#onClose = onClose;
  }

  /** Whether whoever reads has taken everything so far and waits for more. */
  get isAsking(): boolean {
    return this.#asking;
  }

  override _read(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#pieces.next().then(
      ({ done, value }) => {
        this.#asking = false;
        if (!this.destroyed) this.push(done ? null : value);
      },
      (error: Error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#onClose();
    this.#pieces.return(undefined).catch(() => undefined); // once it comes to its next step
    done(error);
  }
}
