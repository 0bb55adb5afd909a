// The first keys of a machine that has none, so that a fresh clone starts with one command. Keys of a production
// machine are made on purpose: its configuration refuses the ones made here.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/platform/clock.ts';
import { newKey } from './generate.ts';
import { instantOfName, nameOfInstant } from './name.ts';
import { placeFile } from './place-file.ts';

const SUFFIX = '-development';
// Names the file of a folder's first key. It outlives that key, so that a slow starter cannot agree on another name.
const CLAIM = '.first-key';
// A replica whose clock is a little behind can sign at once, too.
const BACKDATED_MS = 60_000;

/**
 * Makes `access/` and `refresh/` below `keysDir`, each with one key that signs already, where they hold no *.pem.
 * Processes that do this at the same moment end with the same keys.
 */
export async function ensureDevelopmentKeys(keysDir: string, clock: Clock, passphrase?: string): Promise<void> {
  for (const use of ['access', 'refresh']) await ensureFirstKey(join(keysDir, use), clock, passphrase);
}

/** True for a key that ensureDevelopmentKeys made. */
export function isDevelopmentKey(key: { readonly file: string }): boolean {
  return key.file.endsWith(`${SUFFIX}.pem`);
}

async function ensureFirstKey(directory: string, clock: Clock, passphrase: string | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  if (names.some((name) => name.endsWith('.pem') && !name.startsWith('.'))) return;
  const { kid, pem } = await newKey(2048, passphrase);
  const proposal = nameOfInstant(new Date(clock.now().getTime() - BACKDATED_MS), SUFFIX);
  // Two steps, each won by exactly one process: the name first, since everyone's present differs, then the key.
  await placeFile(directory, [CLAIM], proposal, kid);
  const agreed = (await readFile(join(directory, CLAIM), 'utf8')).trim();
  if ('reason' in instantOfName(agreed) || agreed.includes('/'))
    throw new Error(`${join(directory, CLAIM)} does not name a key file`);
  await placeFile(directory, [agreed], pem, kid);
}
