// One run of the command line: the environment that configures it, the input and outputs, and the signal that ends it.
// Commands use these and never the process itself, so that they can run inside any program.
import type { Readable, Writable } from 'node:stream';

/** Standard input. Only a terminal has `isTTY` and `setRawMode`. */
export type Input = Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown };

/** Standard output or standard error. `columns` is the width of a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export interface Invocation {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborts when the command has to end; its reason is the name of the signal, such as SIGINT. */
  readonly signal: AbortSignal;
  /** Sets the exit code of a command that raises nothing; 0 by default. */
  endWith(exitCode: number): void;
}
