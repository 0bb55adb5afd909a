// Owns: where the embedded PostgreSQL keeps its data and passwords, as which user it runs, and the making of a new data
// folder. Leaves to others: the programs (embedded-native.ts), the running server (embedded-server.ts) and who may
// start it (embedded-lock.ts).

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Identity, SERVER_ENVIRONMENT, usableNative } from './native.ts';

const RELOCATED = '/var/lib/tenantry';
const NOBODY = 65534;

export interface Home {
  /** What the caller asked for: lock, passwords and port are kept here. */
  readonly directory: string;
  /** The PGDATA folder. It exists only once it is complete. */
  readonly data: string;
  /** Holds bin/, lib/ and share/. */
  readonly native: string;
  readonly identity: Identity;
}

export interface Credentials {
  readonly superuserPassword: string;
  readonly ownerPassword: string;
}

/** Finds the place of data and binaries for `directory` (absolute, existing). Raises with a sentence that says what to do. */
export function openHome(directory: string, onNotice: (line: string) => void): Home {
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  const place = isRoot ? placeForRoot(directory, onNotice) : directory;
  const data = join(place, 'data');
  const identity = isRoot ? ownerOf(data) : {};
  return { directory, data, native: usableNative(place, identity), identity };
}

/** Reads the two passwords, or makes them before there is a data folder. Raises when data exists and its passwords do not. */
export function openCredentials(home: Home): Credentials {
  const path = join(home.directory, 'credentials.json');
  if (existsSync(path)) {
    const { superuserPassword, ownerPassword } = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof superuserPassword === 'string' && typeof ownerPassword === 'string') {
      return { superuserPassword, ownerPassword };
    }
  }
  if (existsSync(home.data)) {
    throw new Error(
      `The passwords of the embedded PostgreSQL are missing: put ${path} back, or start over with \`npm run reset\`.`,
    );
  }
  const made = {
    superuserPassword: randomBytes(24).toString('hex'),
    ownerPassword: randomBytes(24).toString('hex'),
  };
  writeWhole(path, JSON.stringify(made));
  return made;
}

/** Makes the data folder if there is none: under another name first, so that a half-made one is never mistaken for it. */
export async function createData(home: Home, superuserPassword: string, disposable: boolean): Promise<void> {
  const place = dirname(home.data);
  for (const name of readdirSync(place)) {
    if (name.startsWith('staging-')) discardStaging(join(place, name));
  }
  if (existsSync(home.data)) return;
  const staging = join(place, `staging-${randomBytes(6).toString('hex')}`);
  mkdirSync(staging, { mode: 0o700 });
  try {
    const passwordFile = join(staging, 'password');
    writeFileSync(passwordFile, superuserPassword, { mode: 0o600 });
    if ('uid' in home.identity) {
      chownSync(passwordFile, home.identity.uid, home.identity.gid);
      chownSync(staging, home.identity.uid, home.identity.gid);
    }
    const made = join(staging, 'data');
    const options = [`--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C'];
    if (disposable) options.push('--no-sync');
    await promisify(execFile)(
      join(home.native, 'bin/initdb'),
      ['-D', made, '-U', 'postgres', '--no-instructions', ...options],
      { ...home.identity, env: SERVER_ENVIRONMENT, cwd: '/' },
    );
    renameSync(made, home.data);
  } finally {
    discardStaging(staging);
  }
}

function discardStaging(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The initdb of a killed process may still be writing there; the next first start finds it finished.
  }
}

/** Replaces a file in one step, readable by its owner only. */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = openSync(draft, 'wx', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, path);
}

// Data made by an ordinary user stays that user's when root starts the service once.
function ownerOf(data: string): Identity {
  if (!existsSync(data)) return { uid: NOBODY, gid: NOBODY };
  const { uid, gid } = statSync(data);
  return uid === 0 ? { uid: NOBODY, gid: NOBODY } : { uid, gid };
}

function placeForRoot(directory: string, onNotice: (line: string) => void): string {
  const note = join(directory, 'location');
  const relocated = join(RELOCATED, createHash('sha256').update(directory).digest('hex').slice(0, 24));
  const noted = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined;
  if (noted === undefined && isReachable(directory, ownerOf(join(directory, 'data')))) return directory;
  if (noted === undefined && existsSync(join(directory, 'data'))) {
    throw new Error(
      `The user PostgreSQL runs as cannot reach ${directory} any more: allow it into every folder above (chmod o+x).`,
    );
  }
  if (noted === relocated && existsSync(relocated)) return relocated;
  if (noted === undefined) setAside(relocated, directory, onNotice);
  else followMove(noted, relocated);
  // A recursive mkdir would give its mode to the parents as well, and a strict umask would shut the user out.
  for (const folder of [RELOCATED, relocated]) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
  }
  writeWhole(join(relocated, 'directory'), `${directory}\n`);
  writeWhole(note, `${relocated}\n`);
  onNotice(`Only root can enter ${directory}, and PostgreSQL never runs as root: its files are kept in ${relocated}.`);
  return relocated;
}

// A project folder that was moved takes its database along; one that was copied gets a database of its own.
function followMove(from: string, to: string): void {
  if (from === to || dirname(from) !== RELOCATED || existsSync(to) || !existsSync(join(from, 'directory'))) return;
  if (!existsSync(readFileSync(join(from, 'directory'), 'utf8').trim())) renameSync(from, to);
}

// Whoever removed the folder with the passwords started over; the data they belonged to is kept for one more round.
function setAside(relocated: string, directory: string, onNotice: (line: string) => void): void {
  const data = join(relocated, 'data');
  if (!existsSync(data) || existsSync(join(directory, 'credentials.json'))) return;
  const aside = join(relocated, 'data-before');
  rmSync(aside, { recursive: true, force: true });
  renameSync(data, aside);
  // A server that still runs there looks for this file every minute and stops without it.
  rmSync(join(aside, 'postmaster.pid'), { force: true });
  onNotice(`${directory} was emptied: starting over. The database it had is in ${aside}.`);
}

function isReachable(directory: string, identity: Identity): boolean {
  for (let folder = directory; ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const shift = uid === identity.uid ? 6 : gid === identity.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
