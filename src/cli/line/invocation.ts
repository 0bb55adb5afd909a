// One run of the command line has an environment that configures it, an input, outputs, and a signal that ends it.
// Commands use these and not those of the process, so that any program can run the commands.
import type { Readable, Writable } from 'node:stream';

/** The standard input. Only a terminal has `isTTY` and `setRawMode`. */
export type Input = Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };

/** Standard output or standard error. `columns` is the width of a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface Invocation {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts when the command must end. The reason of the abort is the name of the signal, such as SIGINT. */
  readonly signal: AbortSignal;
  /** Sets the exit code of a command that raises nothing; 0 by default. */
  endWith(exitCode: number): void;
}
