// The first data key and the lookup key of a machine that has none, so that a fresh clone starts with one command. In
// production an operator creates them, and a process in production refuses to start if this file has created the key
// that seals.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/platform/clock.ts';
import type { Random } from '../../base/platform/random.ts';
import { agreeOnFirstKey } from '../keys/development.ts';
import { newDataKey } from './file.ts';
import { ENDING, LOOKUP_FILE } from './folder.ts';
import { makeLookupKey, temporaryName } from './lifecycle.ts';

/**
 * Creates the folder `data/` in `keysDir` with a data key and a lookup key, if they are missing. Processes that call
 * this at the same moment get the same keys.
 */
export async function ensureDevelopmentDataKeys(
  keysDir: string,
  {
    clock,
    random,
    passphrase,
  }: { readonly clock: Clock; readonly random: Random; readonly passphrase?: string | undefined },
): Promise<void> {
  const directory = join(keysDir, 'data');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = (await readdir(directory)).filter((name) => name.endsWith(ENDING) && !name.startsWith('.'));
  if (!names.some((name) => name !== LOOKUP_FILE)) {
    const content = await newDataKey('A256GCM', random, passphrase);
    await agreeOnFirstKey({ directory, clock, ending: ENDING, content, token: temporaryName(random) });
  }
  if (!names.includes(LOOKUP_FILE)) await makeLookupKey({ directory, clock, random, passphrase });
}
