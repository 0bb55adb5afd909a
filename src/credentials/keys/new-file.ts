// Writes a small file under a name that must be free. The file is complete or absent, even after a crash or a power
// cut.
import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './file.ts';

/** The name of a key file that a crash left unfinished. Rings ignore it because of its leading dot. */
export const UNFINISHED_KEY = /^\.[A-Za-z0-9_-]{43}\.tmp$/;

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
  const temporary = join(directory, `.${token}.tmp`);
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
