// A small disk that can be filled: a file system in memory, in a mount namespace that ends with the proof. So
// nothing stays mounted, even if the proof is killed. This needs Linux and root.
import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Frame, NotShown } from '../proof.ts';
import type { Testbed } from '../testbed.ts';

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const MARK = '--in-namespace';
const BLOCK_BYTES = 64 * 1024;
const PAGE_BYTES = 4096;

/**
 * Runs the program of this process again, in a mount namespace of its own. Returns the arguments in the process that
 * runs there. In the first process this promise never resolves, and the first process ends with the exit code of the
 * second.
 */
export function argumentsInNamespace(): Promise<string[]> {
  const [program = '', ...args] = process.argv.slice(1);
  if (args[0] === MARK) return Promise.resolve(args.slice(1));
  const flags = ['--mount', '--propagation', 'private', '--'];
  // Without these handlers, a signal that arrives while the child starts would end this process alone.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const child = spawn('unshare', [...flags, process.execPath, program, MARK, ...args], {
    stdio: 'inherit',
    detached: true,
  });
  const { promise } = Promise.withResolvers<never>();
  child.once('error', () => explainAndEnd());
  child.once('exit', (code, signal) => {
    // unshare has already printed what it may not do.
    if (process.getuid?.() !== 0) explainAndEnd();
    process.exit(code ?? 128 + constants.signals[signal ?? 'SIGTERM']);
  });
  return promise;
}

function explainAndEnd(): never {
  console.log(`NOT SHOWN: ${NEEDED}`);
  process.exit(1);
}

const NEEDED =
  'a small disk has to be mounted for this: run it on Linux as root, with unshare and mount (util-linux) and the capability CAP_SYS_ADMIN';

/** Mounts an empty disk of this size in megabytes at the directory, which is created. */
export async function mountSmallDisk(directory: string, megabytes: number, { atEnd }: Frame): Promise<void> {
  mkdirSync(directory, { recursive: true });
  try {
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0755`, 'tmpfs', directory]);
  } catch (error) {
    throw new NotShown(`${NEEDED} (${(error as Error).message.trim()})`);
  }
  atEnd(() => promisify(execFile)('umount', [directory]));
}

/** Moves the write-ahead log of the testbed's PostgreSQL to another folder, and starts PostgreSQL again. */
export async function moveLog(testbed: Testbed, directory: string): Promise<void> {
  const [current, moved] = [join(testbed.folder, 'postgres', 'data', 'pg_wal'), join(directory, 'pg_wal')];
  await testbed.postgres.stop();
  await promisify(execFile)('cp', ['-a', current, moved]);
  rmSync(current, { recursive: true });
  symlinkSync(moved, current);
  await testbed.restartPostgres();
}

/** Fills the disk with a file until nothing more fits. Returns the function that removes the file. */
export function fillDisk(path: string): () => void {
  const file = openSync(path, 'w');
  try {
    for (const bytes of [BLOCK_BYTES, PAGE_BYTES]) fillWith(file, Buffer.alloc(bytes, 1));
  } finally {
    closeSync(file);
  }
  return () => rmSync(path, { force: true });
}

function fillWith(file: number, block: Buffer): void {
  try {
    for (;;) if (writeSync(file, block) < block.length) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
