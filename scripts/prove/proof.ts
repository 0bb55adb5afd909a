// Runs a proof, with its temporary folder, the cleanup at its end or at a signal, and the one line that says what
// was shown. testbed.ts owns databases and services.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** A claim of a proof was not true. The message says which claim. */
export class NotShown extends Error {}

/** Raises NotShown unless the claim is true. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new NotShown(otherwise);
}

export interface Frame {
  /** The temporary folder. Every user of the machine may read it. The folder is removed at the end. */
  readonly folder: string;
  /** Registers a step of the cleanup. The last step that was registered runs first. */
  atEnd(undo: () => unknown): void;
}

/** Runs a proof, cleans up, and ends the process: with the line that the proof returns, or with 1 and the reason. */
export async function runProof(name: string, run: (frame: Frame) => Promise<string>): Promise<never> {
  const folder = mkdtempSync(join(tmpdir(), `tenantry-${name}-`));
  chmodSync(folder, 0o755);
  const undoings: (() => unknown)[] = [];
  const { promise: interruption, reject } = Promise.withResolvers<never>();
  // A second signal must not interrupt the cleanup either.
  for (const signal of SIGNALS) process.on(signal, () => reject(new NotShown(`interrupted by ${signal}`)));
  let code = 0;
  try {
    const running = run({ folder, atEnd: (undo) => void undoings.unshift(undo) });
    console.log(await Promise.race([running, interruption]));
  } catch (error) {
    code = 1;
    if (error instanceof NotShown) console.log(`NOT SHOWN: ${error.message}`);
    else console.error(error);
  }
  for (const undo of undoings) {
    try {
      await undo();
    } catch (error) {
      code = 1;
      console.error(error);
    }
  }
  rmSync(folder, { recursive: true, force: true });
  // A request that still waits for an answer must not keep the process alive.
  process.exit(code);
}
