// The lock that lets one process at a time do a task of these scripts. It uses the protocol of
// src/base/embedded/lock.ts in plain JavaScript: a lock is a folder that contains owner.json and is renamed into place.

import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const RETRY_MILLISECONDS = 100;

/** Takes the lock at `path`. Waits while a living process holds the lock, and then calls `onWait` once. */
export async function takeLock(path, onWait = () => {}) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = aside(path);
  mkdirSync(draft);
  let hasWaited = false;
  try {
    writeOwner(draft, markOf(process.pid));
    while (!moveInPlace(draft, path)) {
      const holder = readHolder(path);
      if (holder === undefined) continue;
      if (isHeldBy(holder)) {
        if (!hasWaited) onWait(holder.pid);
        hasWaited = true;
        await delay(RETRY_MILLISECONDS);
        continue;
      }
      // Only the holder of the guard removes a dead holder's lock, and only after it has read the lock again.
      await takeLock(`${path}.guard`);
      const again = readHolder(path);
      if (again !== undefined && !isHeldBy(again)) releaseLock(path);
      releaseLock(`${path}.guard`);
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/**
 * Extends a lock of this process: the lock is held until the other process has also ended, even if this process is
 * killed.
 */
export function shareLock(path, pid) {
  writeOwner(path, { ...markOf(process.pid), sharedWith: markOf(pid) });
}

/** Releases a lock. Does nothing if there is none, because another process may have removed it at the same moment. */
export function releaseLock(path) {
  const away = aside(path);
  try {
    renameSync(path, away);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  rmSync(away, { recursive: true, force: true });
}

/** Returns the process that the lock at `path` names, or undefined if there is no lock. */
export function readHolder(path) {
  let text;
  try {
    text = readFileSync(join(path, 'owner.json'), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, started, sharedWith } = JSON.parse(text);
    return { pid: Number(pid), started: String(started), sharedWith };
  } catch {
    return { pid: 0, started: '' };
  }
}

/** Whether the process that took a lock still runs. A later process with the same id does not count. */
export function isRunning({ pid, started }) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const now = startOf(pid);
  return now !== 'ended' && (now === '' || started === '' || now === started);
}

function isHeldBy(holder) {
  return isRunning(holder) || (holder.sharedWith !== undefined && isRunning(holder.sharedWith));
}

function writeOwner(folder, owner) {
  const draft = join(folder, `${randomBytes(6).toString('hex')}.json`);
  writeFileSync(draft, JSON.stringify(owner));
  renameSync(draft, join(folder, 'owner.json'));
}

function markOf(pid) {
  return { pid, started: startOf(pid) };
}

function moveInPlace(draft, path) {
  try {
    renameSync(draft, path);
    return true;
  } catch (error) {
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  }
}

function aside(path) {
  return `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
}

function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
