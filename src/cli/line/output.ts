// Standard output of a command, which may fail: a full disk, or a reader that closes early, such as `head`.
import type { Output } from './invocation.ts';
import { CommandRefused } from './refusal.ts';

/** The reader of the output has closed it. The command ends, and nothing is printed about this error. */
export class ReaderClosed extends Error {
  override readonly name = 'ReaderClosed';
}

export interface WatchedOutput {
  /** Rejects with ReaderClosed, or with CommandRefused `output_not_written`, when a write fails. Never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when everything is written. Rejects as `failed` does. */
  written(): Promise<void>;
  /** After this call, a failed write has no effect: a service goes on without its output. */
  ignore(): void;
}

/** Watches the writes to standard output. */
export function watchOutput(stdout: Output): WatchedOutput {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  let isIgnored = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isIgnored) return;
    if (error.code === 'EPIPE') return reject(new ReaderClosed());
    const detail = `Standard output cannot be written: ${error.code ?? error.message}`;
    reject(new CommandRefused('output_not_written', detail, { cause: error }));
  });
  const flushed = () => new Promise<void>((resolve) => stdout.write('', () => setImmediate(resolve)));
  return {
    failed: promise,
    written: () => Promise.race([promise, flushed()]),
    ignore: () => {
      isIgnored = true;
    },
  };
}
