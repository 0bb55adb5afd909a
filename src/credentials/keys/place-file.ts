// Puts a small file into a folder under a name that must be free: whole or not at all, also through a crash or a power cut.
// What the file says is its caller's matter.
import { link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './file.ts';

/** Matches what a crash may leave behind of a key that was being written; the dot keeps it out of every ring. */
export const UNFINISHED_KEY = /^\.[A-Za-z0-9_-]{43}\.tmp$/;

/**
 * Writes `content` with mode 0600 under the first free one of `names` and answers that name, undefined if all are taken.
 * `token` makes the passing name `.<token>.tmp` unique among writers to the folder.
 */
export async function placeFile(
  directory: string,
  names: readonly string[],
  content: string | Buffer,
  token: string,
): Promise<string | undefined> {
  const passing = join(directory, `.${token}.tmp`);
  const handle = await open(passing, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    for (const name of names) if (await linked(passing, join(directory, name))) return name;
    return undefined;
  } finally {
    await rm(passing, { force: true });
    await syncFolder(directory);
  }
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// A link, unlike a rename, never takes the place of a file that is already there.
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}
