// Writes a small file under a name that must be free. The file is complete or absent, even after a crash or a power
// cut.
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { is256Bits } from '../../base/platform/bits.ts';
import { errorCode } from './file.ts';
import { nameOfInstant } from './name.ts';

const ENDING = '.tmp';

/** Whether a crash left the key file with this name unfinished. Rings ignore it because of its leading dot. */
export function isUnfinished(name: string): boolean {
  return name.startsWith('.') && name.endsWith(ENDING) && is256Bits(name.slice(1, -ENDING.length));
}

/**
 * Writes `content` with mode 0600 under the first free name of `names`. Returns that name, or undefined if all are
 * taken. `token` makes the temporary name `.<token>.tmp` unique among the writers to the folder.
 */
export async function writeNewFile(
  directory: string,
  names: readonly string[],
  content: string | Buffer,
  token: string,
): Promise<string | undefined> {
  const temporary = join(directory, `.${token}${ENDING}`);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    for (const name of names) if (await linked(temporary, join(directory, name))) return name;
    return undefined;
  } finally {
    await rm(temporary, { force: true });
    await syncFolder(directory);
  }
}

const SUFFIXES = ['', ...Array.from('bcdefghijklmnopqrstuvwxyz', (letter) => `-${letter}`)];

/**
 * Writes `content` under the name of a key that is used from `activeFrom`, cut to whole seconds. If the name is taken,
 * the new file gets a name with a suffix. A missing folder is created with mode 0700. Returns the name. Raises
 * RangeError for a year before 1970 or after 9999, and an error if every such name is taken.
 */
export async function writeDatedFile(
  directory: string,
  { activeFrom, ending, content, token }: DatedFile,
): Promise<string> {
  const names = SUFFIXES.map((suffix) => nameOfInstant(activeFrom, suffix, ending));
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = await writeNewFile(directory, names, content, token);
  if (file === undefined) throw new Error(`${directory} already has a key under every name for this time`);
  return file;
}

export interface DatedFile {
  readonly activeFrom: Date;
  readonly ending: string;
  readonly content: string | Buffer;
  /** See `writeNewFile`. */
  readonly token: string;
}

/** Writes the names in a folder to the disk, so that they survive a power cut. */
export async function syncFolder(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// Unlike a rename, a link never replaces an existing file.
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}
