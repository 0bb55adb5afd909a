// The folders for the data and passwords of the embedded PostgreSQL, the user that the server runs as, and the
// creation of a new data folder. Other files are responsible for the programs (native.ts), the running server
// (server.ts) and the lock (lock.ts).

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

export interface ServerFolders {
  /** The folder that the caller requested. It contains the lock, the passwords and the port. */
  readonly directory: string;
  /** The PGDATA folder. It has this name only when it is complete. */
  readonly data: string;
  /** The folder with bin/, lib/ and share/. */
  readonly native: string;
  readonly identity: Identity;
}

export interface Credentials {
  readonly superuserPassword: string;
  readonly ownerPassword: string;
}

/**
 * Finds the folders of data and programs for `directory`, an absolute path that exists. Raises with a sentence that
 * says what to do.
 */
export function openFolders(directory: string, onNotice: (line: string) => void): ServerFolders {
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  const parent = isRoot ? parentForRoot(directory, onNotice) : directory;
  const data = join(parent, 'data');
  const identity = isRoot ? ownerOf(data) : {};
  return { directory, data, native: usableNative(parent, identity), identity };
}

/**
 * Reads the two passwords, or creates them if there is no data folder yet. Raises when data exists without passwords.
 */
export function openCredentials(folders: ServerFolders): Credentials {
  const path = join(folders.directory, 'credentials.json');
  if (existsSync(path)) {
    const { superuserPassword, ownerPassword } = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof superuserPassword === 'string' && typeof ownerPassword === 'string') {
      return { superuserPassword, ownerPassword };
    }
  }
  if (existsSync(folders.data)) {
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

/** Creates the data folder if it is missing. The folder gets its final name only when it is complete. */
export async function createData(
  folders: ServerFolders,
  superuserPassword: string,
  disposable: boolean,
): Promise<void> {
  const parent = dirname(folders.data);
  for (const name of readdirSync(parent)) {
    if (name.startsWith('staging-')) discardStaging(join(parent, name));
  }
  if (existsSync(folders.data)) return;
  const staging = join(parent, `staging-${randomBytes(6).toString('hex')}`);
  mkdirSync(staging, { mode: 0o700 });
  try {
    const passwordFile = join(staging, 'password');
    writeFileSync(passwordFile, superuserPassword, { mode: 0o600 });
    if ('uid' in folders.identity) {
      chownSync(passwordFile, folders.identity.uid, folders.identity.gid);
      chownSync(staging, folders.identity.uid, folders.identity.gid);
    }
    const made = join(staging, 'data');
    const options = [`--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C'];
    if (disposable) options.push('--no-sync');
    await promisify(execFile)(
      join(folders.native, 'bin/initdb'),
      ['-D', made, '-U', 'postgres', '--no-instructions', ...options],
      { ...folders.identity, env: SERVER_ENVIRONMENT, cwd: '/' },
    );
    renameSync(made, folders.data);
  } finally {
    discardStaging(staging);
  }
}

function discardStaging(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The initdb of a killed process may still write to this folder. A later start removes the folder.
  }
}

/** Replaces a file in one step. Only its owner can read it. */
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

// When root starts the service with the data of an ordinary user, the data still belongs to that user.
function ownerOf(data: string): Identity {
  if (!existsSync(data)) return { uid: NOBODY, gid: NOBODY };
  const { uid, gid } = statSync(data);
  return uid === 0 ? { uid: NOBODY, gid: NOBODY } : { uid, gid };
}

function parentForRoot(directory: string, onNotice: (line: string) => void): string {
  const note = join(directory, 'location');
  const relocated = join(RELOCATED, createHash('sha256').update(directory).digest('hex').slice(0, 24));
  const noted = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined;
  if (noted === undefined && isReachable(directory, ownerOf(join(directory, 'data')))) return directory;
  if (noted === undefined && existsSync(join(directory, 'data'))) {
    throw new Error(
      `The user of PostgreSQL can no longer reach ${directory}: allow it to enter every folder above (chmod o+x).`,
    );
  }
  if (noted === relocated && existsSync(relocated)) return relocated;
  if (noted === undefined) setAside(relocated, directory, onNotice);
  else followMove(noted, relocated);
  // mkdir applies the umask to the mode. With a strict umask the user of PostgreSQL could not enter, so chmod sets the
  // mode.
  for (const folder of [RELOCATED, relocated]) {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o755);
  }
  writeWhole(join(relocated, 'directory'), `${directory}\n`);
  writeWhole(note, `${relocated}\n`);
  onNotice(`Only root can enter ${directory}, and PostgreSQL never runs as root: its files are in ${relocated}.`);
  return relocated;
}

// When a project folder was moved, its database moves with it. When a project folder was copied, the copy gets a new
// database.
function followMove(from: string, to: string): void {
  if (from === to || dirname(from) !== RELOCATED || existsSync(to) || !existsSync(join(from, 'directory'))) return;
  if (!existsSync(readFileSync(join(from, 'directory'), 'utf8').trim())) renameSync(from, to);
}

// When the folder with the passwords was removed, a new database is created. The former data is kept in another folder.
function setAside(relocated: string, directory: string, onNotice: (line: string) => void): void {
  const data = join(relocated, 'data');
  if (!existsSync(data) || existsSync(join(directory, 'credentials.json'))) return;
  const aside = join(relocated, 'data-before');
  rmSync(aside, { recursive: true, force: true });
  renameSync(data, aside);
  // A server that still runs in that folder checks this file every minute, and stops when the file is missing.
  rmSync(join(aside, 'postmaster.pid'), { force: true });
  onNotice(`${directory} was emptied: starting with a new database. The former one is in ${aside}.`);
}

function isReachable(directory: string, identity: Identity): boolean {
  for (let folder = directory; ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const shift = uid === identity.uid ? 6 : gid === identity.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
