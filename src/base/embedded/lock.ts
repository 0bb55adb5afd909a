// Owns: one holder at a time for a folder, across processes, and the question whether a process still runs.
// Leaves to others: what the folder is for (embedded.ts).
//
// A lock is a folder with owner.json inside. It is prepared under a name of its own and renamed into place: renaming
// onto a folder that is not empty fails, so there is one winner, and nobody ever sees a lock without its owner.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A process told apart from a later one that got the same number. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; empty where the system does not tell. */
  readonly started: string;
}

export interface Lock {
  release(): void;
}

// What the start of a process is taken for that is gone and only waits for its parent to notice.
const ENDED = 'ended';
const RETRY_MILLISECONDS = 20;
const ATTEMPTS_MAX = 500;

/** The mark of the process that has this number now. Raises nothing. */
export function markOf(pid: number): ProcessMark {
  return { pid, started: startOf(pid) };
}

/** Whether the very process of the mark still runs; one that ended and was not collected yet does not. */
export function isRunning(mark: ProcessMark): boolean {
  // Signal 0 to process 0 or below would ask about a whole group.
  if (!Number.isInteger(mark.pid) || mark.pid <= 0) return false;
  try {
    process.kill(mark.pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  const started = startOf(mark.pid);
  if (started === ENDED) return false;
  return started === '' || mark.started === '' || started === mark.started;
}

/** Takes the lock at `path` until `release()` or the end of this process, or tells who holds it. Raises on a folder that cannot be written. */
export async function takeLock(path: string): Promise<Lock | { heldBy: ProcessMark }> {
  const draft = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  mkdirSync(draft);
  try {
    writeFileSync(join(draft, 'owner.json'), JSON.stringify(markOf(process.pid)));
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (moveInPlace(draft, path)) return heldLock(path);
      const holder = readHolder(path);
      if (holder === undefined) continue;
      if (isRunning(holder)) return { heldBy: holder };
      await discardStale(path);
    }
    throw new Error(`The lock ${path} is damaged. Make sure that no Tenantry runs in this folder, then remove it.`);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

// Whoever saw a dead holder may be late: another may have replaced it meanwhile. So the second look and the removal
// happen under a lock of their own, and nothing else ever removes a dead holder.
async function discardStale(path: string): Promise<void> {
  const guard = await takeLock(`${path}.guard`);
  if ('heldBy' in guard) {
    await delay(RETRY_MILLISECONDS);
    return;
  }
  try {
    const holder = readHolder(path);
    if (holder !== undefined && !isRunning(holder)) discard(path);
  } finally {
    guard.release();
  }
}

function heldLock(path: string): Lock {
  const release = (): void => {
    if (!process.listeners('exit').includes(release)) return;
    process.removeListener('exit', release);
    discard(path);
  };
  process.once('exit', release);
  return { release };
}

function moveInPlace(draft: string, path: string): boolean {
  try {
    renameSync(draft, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
}

function discard(path: string): void {
  const away = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    renameSync(path, away);
  } catch (error) {
    // The whole folder may have been removed under a running server.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  rmSync(away, { recursive: true, force: true });
}

/** The mark of the process that holds the lock at `path`, running or not; undefined when nobody does. */
export function readHolder(path: string): ProcessMark | undefined {
  let text: string;
  try {
    text = readFileSync(join(path, 'owner.json'), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, started } = JSON.parse(text);
    return { pid: Number(pid), started: String(started) };
  } catch {
    // A power cut can leave the file empty; its writer is gone then.
    return { pid: 0, started: '' };
  }
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces and parentheses itself: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? ENDED : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** The system's code of an error (`ENOENT`, …), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
