// Finds redis-server, nginx, faketime and Chromium's headless shell for tests: on the PATH, or else in Debian's own
// packages. The packages are unpacked into a cache below .data/ and never installed. Only one process fetches at a
// time. Other processes see a complete cache or no cache.
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { takeLock } from '../../../src/base/embedded/lock.ts';
import type { DebianSystem } from './debian-apt.ts';
import { answersVersion, makePrograms, type ProgramSet } from './debian-packages.ts';

// redis-server is a symbolic link into redis-tools.
const SERVERS = { 'redis-server': ['redis-server', 'redis-tools'], nginx: ['nginx'] } as const;
const CLOCKS = { faketime: ['faketime', 'libfaketime'] } as const;
// The headless shell renders pages as Chromium does, and needs less than half of its CPU time, because it has no user
// interface of its own. It also needs a font, which is not among the packages that it depends on.
const BROWSERS = { 'chromium-headless-shell': ['chromium-headless-shell', 'fonts-dejavu-core'] } as const;
/** Programs that are fetched together, with the end of the name of their folder. */
// The limits in seconds are below the time limit of a test file, so that the error message is printed.
const SETS: readonly (ProgramSet & { readonly suffix: string; readonly secondsMax: number })[] = [
  { suffix: '', programs: SERVERS, secondsMax: 90 },
  { suffix: '-clocks', programs: CLOCKS, secondsMax: 90 },
  // The packages are about 75 MB.
  {
    ...{ suffix: '-browser', programs: BROWSERS, folders: { 'chromium-headless-shell': 'usr/lib/chromium' } },
    secondsMax: 240,
  },
];

export type DebianProgram = keyof typeof SERVERS | keyof typeof CLOCKS | keyof typeof BROWSERS;

export interface Surroundings {
  /** The folder of the cache. The lock is next to it. */
  readonly cache?: string;
  /** The folders to search, in the format of PATH. */
  readonly path?: string;
  /** The root folder of the system's own files. */
  readonly root?: string;
}

const CACHE = fileURLToPath(new URL('../../../.data/cache/debian', import.meta.url));
// Debian keeps servers in folders that are not on the PATH of ordinary users.
const PATH = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter);
const STAGING = 'staging-';
const RETRY_MILLISECONDS = 50;

const asked = new Map<string, Promise<string>>();

/**
 * Returns the path of the program. Raises an error that says what to do if the program is neither found nor fetched.
 */
export function debianProgram(name: DebianProgram, surroundings: Surroundings = {}): Promise<string> {
  const { cache = CACHE, path = PATH, root = '/' } = surroundings;
  const question = [name, cache, path, root].join('\n');
  const answer =
    asked.get(question) ??
    find(name, { cache, path, root }).catch((error: Error) => {
      const reason = error.name === 'TimeoutError' ? `it took longer than ${setOf(name).secondsMax} s.` : error.message;
      throw new Error(
        `This test needs ${name}, which is not on the PATH, and could not be fetched: ${reason}\nInstall it (on Debian: apt-get install ${name}), or make Debian's mirror reachable for apt-get.`,
        { cause: error },
      );
    });
  asked.set(question, answer);
  return answer;
}

async function find(name: DebianProgram, { cache, path, root }: Required<Surroundings>): Promise<string> {
  const installed = onPath(name, path);
  if (installed !== undefined) return installed;
  const codename = debianCodename(join(root, 'etc/os-release'));
  const set = setOf(name);
  const { suffix } = set;
  const folder = join(cache, `${codename}-${process.arch}${suffix}`);
  const program = join(folder, name);
  if (await answersVersion(program)) return program;
  if (onPath('apt-get', path) === undefined) throw new Error('there is no apt-get to fetch it with.');

  const deadline = AbortSignal.timeout(set.secondsMax * 1000);
  mkdirSync(cache, { recursive: true });
  const release = await waitForLock(join(dirname(cache), 'lock'), deadline);
  try {
    if (!(await answersVersion(program))) await fill(folder, set, { codename, path, root, deadline });
  } finally {
    release();
  }
  return program;
}

function setOf(name: DebianProgram): (typeof SETS)[number] {
  const set = SETS.find(({ programs }) => Object.hasOwn(programs, name));
  if (!set) throw new Error(`no package is known to have ${name}`);
  return set;
}

/** Puts the programs into `folder` of the cache in one step. The caller must hold the lock. */
async function fill(folder: string, set: ProgramSet, system: DebianSystem): Promise<void> {
  const cache = dirname(folder);
  for (const left of readdirSync(cache)) if (left.startsWith(STAGING)) discard(join(cache, left));
  const staging = mkdtempSync(join(cache, STAGING));
  try {
    // When root runs apt, apt downloads as another user, who needs access.
    chmodSync(staging, 0o755);
    const names = Object.keys(set.programs).join(' and ');
    console.error(`Fetching Debian's packages of ${names} for the tests, into ${cache} …`);
    const made = await makePrograms(staging, set, system);
    // An earlier copy is removed: its programs no longer run, for example because the system was changed.
    discard(folder);
    renameSync(made, folder);
  } finally {
    discard(staging);
  }
}

function onPath(name: string, path: string): string | undefined {
  const candidates = path.split(delimiter).filter((folder) => folder !== '');
  return candidates
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function debianCodename(osRelease: string): string {
  let text = '';
  try {
    text = readFileSync(osRelease, 'utf8');
  } catch {
    // A system without this file is not Debian.
  }
  const value = (key: string) => new RegExp(`^${key}="?([\\w-]+)"?$`, 'm').exec(text)?.[1];
  const codename = value('VERSION_CODENAME');
  if (value('ID') !== 'debian' || codename === undefined) throw new Error('this system is not a release of Debian.');
  return codename;
}

async function waitForLock(path: string, deadline: AbortSignal): Promise<() => void> {
  for (;;) {
    deadline.throwIfAborted();
    const lock = await takeLock(path);
    if ('release' in lock) return () => lock.release();
    await delay(RETRY_MILLISECONDS);
  }
}

function discard(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}
