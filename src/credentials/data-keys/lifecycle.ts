// What an operator does to the folder of data keys: list, generate, rotate, prune. Running processes follow the files.
// The commands are in cli/.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/platform/clock.ts';
import type { Random } from '../../base/platform/random.ts';
import { syncFolder, writeDatedFile, writeNewFile } from '../keys/new-file.ts';
import { newDataKey } from './file.ts';
import { dataKeyFolder, ENDING, type FiledKey, LOOKUP_FILE, sealingKeyOf } from './folder.ts';

export interface DataFolderOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly passphrase?: string | undefined;
}

export interface ListedDataKey {
  readonly id: string;
  readonly file: string;
  readonly activeFrom: Date;
  /** `future`: opens, and will seal. `sealing`: seals. `opening`: only opens. */
  readonly state: 'future' | 'sealing' | 'opening';
}

/** With this lead, every process has the new key before a value is sealed with it. */
const LEAD_SECONDS = 600;
/**
 * For this long after its successor has taken over, a key may still be needed for new values. The clock of a process
 * may be behind, so that the process still seals with the key. A process may also not have stored yet what it has just
 * sealed.
 */
const SETTLING_SECONDS = 600;

/** The data keys of a folder, oldest first, whether the lookup key is there, and the files that are refused. */
export async function listDataKeys(folder: DataFolderOptions) {
  const { keys, lookup, refused } = await dataKeyFolder(folder.directory, folder.passphrase).read();
  const now = folder.clock.now();
  const sealing = sealingKeyOf(keys, now);
  const stateOf = (key: FiledKey): ListedDataKey['state'] =>
    key === sealing ? 'sealing' : key.activeFrom.getTime() > now.getTime() ? 'future' : 'opening';
  return {
    keys: keys.map((key): ListedDataKey => {
      return { id: key.id, file: key.file, activeFrom: key.activeFrom, state: stateOf(key) };
    }),
    hasLookup: lookup !== undefined,
    refused,
  };
}

/**
 * Creates the first data key, which seals at once, if the folder has none, and the lookup key if it is missing. Returns
 * the names of the new files.
 */
export async function generateDataKeys(folder: DataFolderOptions): Promise<string[]> {
  const { keys, hasLookup } = await listDataKeys(folder);
  const made: string[] = [];
  if (keys.length === 0)
    made.push(await make(folder, new Date(Math.floor(folder.clock.now().getTime() / 1000) * 1000)));
  if (!hasLookup && (await makeLookupKey(folder))) made.push(LOOKUP_FILE);
  return made;
}

/** Creates the next data key. It seals after ten minutes, or at once if there is no other. */
export async function rotateDataKey(folder: DataFolderOptions): Promise<{ file: string; activeFrom: Date }> {
  const { keys } = await listDataKeys(folder);
  const now = folder.clock.now().getTime() / 1000;
  const seconds = keys.length === 0 ? Math.floor(now) : Math.ceil(now + LEAD_SECONDS);
  const activeFrom = new Date(seconds * 1000);
  return { file: await make(folder, activeFrom), activeFrom };
}

export interface PrunedDataKeys {
  /** The names of the removed files. */
  readonly removed: readonly string[];
  /** The files of keys that rows still need. */
  readonly kept: readonly string[];
  /** The files of keys that sealed a moment ago, and when they may be removed. */
  readonly settling: readonly { readonly file: string; readonly until: Date }[];
}

/**
 * Removes the files of keys that only open, unless `isUsed` says that a row still has a value that the key sealed. Also
 * keeps a key that sealed a moment ago: a value that it sealed may not be in a row yet.
 */
export async function pruneDataKeys(
  folder: DataFolderOptions,
  isUsed: (id: string) => boolean,
): Promise<PrunedDataKeys> {
  const { keys } = await listDataKeys(folder);
  const now = folder.clock.now();
  const [removed, kept, settling]: [string[], string[], { file: string; until: Date }[]] = [[], [], []];
  for (const [index, { id, file, state }] of keys.entries()) {
    if (state !== 'opening') continue;
    const until = new Date((keys[index + 1]?.activeFrom ?? now).getTime() + SETTLING_SECONDS * 1000);
    if (isUsed(id)) kept.push(file);
    else if (until > now) settling.push({ file, until });
    else removed.push(file);
  }
  for (const file of removed) await rm(join(folder.directory, file), { force: true });
  if (removed.length > 0) await syncFolder(folder.directory);
  return { removed, kept, settling };
}

/**
 * Creates the lookup key if it is missing. Returns whether it has created the key. Of several processes that call this
 * at the same time, exactly one creates the key.
 */
export async function makeLookupKey({ directory, random, passphrase }: DataFolderOptions): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const content = await newDataKey('HS256', random, passphrase);
  return (await writeNewFile(directory, [LOOKUP_FILE], content, temporaryName(random))) !== undefined;
}

async function make(folder: DataFolderOptions, activeFrom: Date): Promise<string> {
  const { directory, random, passphrase } = folder;
  const content = await newDataKey('A256GCM', random, passphrase);
  return await writeDatedFile(directory, { activeFrom, ending: ENDING, content, token: temporaryName(random) });
}

/** A token that no other writer uses, for the name of an unfinished file (see `writeNewFile`). */
export function temporaryName(random: Random): string {
  return random.bytes(32).toString('base64url');
}
