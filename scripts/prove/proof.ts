// Owns: the frame of a proof: a temporary folder, an end in which nothing is left behind (also when a signal comes), and
// the one line that says what was shown. Leaves to others: databases and services (testbed.ts).
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** A claim that does not hold; the message says which. */
export class NotShown extends Error {}

/** Raises NotShown unless the claim holds. */
export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new NotShown(otherwise);
}

export interface Frame {
  /** Open to every user of the machine; removed at the end. */
  readonly folder: string;
  /** Registers something to undo at the end; the last one first. */
  atEnd(undo: () => unknown): void;
}

/** Runs a proof, undoes what it registered and ends the process: with the line that the proof gives, or with 1 and the reason. */
export async function runProof(name: string, run: (frame: Frame) => Promise<string>): Promise<never> {
  const folder = mkdtempSync(join(tmpdir(), `tenantry-${name}-`));
  chmodSync(folder, 0o755);
  const undoings: (() => unknown)[] = [];
  const { promise: interruption, reject } = Promise.withResolvers<never>();
  // A second signal must not cut the tidying up short either.
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
  // A request that still waits for an answer must not keep the process.
  process.exit(code);
}
