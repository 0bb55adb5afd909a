// `npm run reset` removes everything that the service has written into this folder, and the database that it keeps
// outside of it. It refuses to run while the service runs. The file is plain JavaScript and needs no packages.

import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isRunning, readHolder } from './lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const state = join(root, '.data');
// The embedded PostgreSQL is kept here if only root can enter the folder of the project. Nothing else outside of the
// project is removed.
const RELOCATED = '/var/lib/tenantry';
const POLL_MILLISECONDS = 50;

let removed = 0;

try {
  await reset();
} catch (error) {
  console.error(`Nothing ${removed === 0 ? '' : 'more '}was removed: ${error.message}`);
  process.exitCode = 1;
}

async function reset() {
  if (!existsSync(state)) {
    console.log('There is nothing to remove.');
    return;
  }
  const folders = readdirSync(state, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const paths = folders.map((entry) => join(state, entry.name));
  for (const lock of [...paths.map((path) => join(path, 'lock')), join(state, 'install.lock')]) {
    const holder = readHolder(lock);
    if (holder !== undefined && isRunning(holder)) {
      throw new Error(`Tenantry is running here (process ${holder.pid}). Stop it first.`);
    }
  }
  const places = paths.flatMap((path) => [path, ...relocatedPlace(path)]);
  for (const place of places) await stopLeftBehind(join(place, 'data'));
  for (const place of places.filter((path) => dirname(path) === RELOCATED)) removeWhole(place);
  removeWhole(state);
}

function relocatedPlace(path) {
  const note = join(path, 'location');
  if (!existsSync(note)) return [];
  const place = readFileSync(note, 'utf8').trim();
  const owner = join(place, 'directory');
  // If this folder was copied, the path that it names belongs to the original.
  const isOwn = dirname(place) === RELOCATED && existsSync(owner) && readFileSync(owner, 'utf8').trim() === path;
  return isOwn ? [place] : [];
}

/**
 * Stops a PostgreSQL that still runs after the service has ended. It would write into the folder during the removal.
 */
async function stopLeftBehind(data) {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (!worksIn(pid, data)) return;
  process.kill(pid, 'SIGQUIT');
  while (worksIn(pid, data)) await delay(POLL_MILLISECONDS);
}

function worksIn(pid, data) {
  try {
    const inside = statSync(`/proc/${pid}/cwd`);
    const wanted = statSync(data);
    return inside.ino === wanted.ino && inside.dev === wanted.dev;
  } catch {
    return false;
  }
}

function removeWhole(path) {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  removed += 1;
  console.log(`Removed ${path}`);
}
