// A lock on a folder, which one process at a time can hold, and the check whether a process still runs.
// embedded.ts is responsible for the content of the folder.
//
// A lock is a folder with owner.json inside. The folder is prepared under another name and then renamed. Renaming to
// the name of a folder that is not empty fails. So only one process at a time has the lock, and no process sees a lock
// without its owner.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Identifies a process. A later process with the same number has another mark, if the system reports when a process
 * started.
 */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process; empty where the system does not report it. */
  readonly started: string;
}

export interface Lock {
  release(): void;
}

// The `started` value of a process that has ended, but whose exit its parent has not collected yet.
const ENDED = 'ended';
const RETRY_MILLISECONDS = 20;
const ATTEMPTS_MAX = 500;

/** Returns the mark of the process that has this number now. Raises nothing. */
export function markOf(pid: number): ProcessMark {
  return { pid, started: startOf(pid) };
}

/**
 * Whether the process of the mark still runs. A process that has ended does not run, even if its parent has not
 * collected its exit yet.
 */
export function isRunning(mark: ProcessMark): boolean {
  // With a process id of 0 or below, signal 0 would check a whole process group.
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

/**
 * Takes the lock at `path` until `release()` or the end of this process. When another process holds the lock, returns
 * that process. Raises when the folder cannot be written or the lock is damaged.
 */
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

// When this process has found that the holder has ended, another process may already have taken the lock. So the holder
// is checked again, and its lock removed, under a separate lock. No other code removes the lock of an ended holder.
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
    // The whole folder may have been removed while the server runs.
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  rmSync(away, { recursive: true, force: true });
}

/** Returns the mark of the process that holds the lock at `path`, running or not; undefined when none does. */
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
    // A power failure can leave the file empty. In that case, the process that wrote the file has ended.
    return { pid: 0, started: '' };
  }
}

function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may contain spaces and parentheses, so the fields are counted after the last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? ENDED : (fields[19] ?? '');
  } catch {
    return '';
  }
}

/** Returns the system's code of an error (`ENOENT`, …), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
