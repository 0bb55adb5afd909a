// The first keys of a machine that has none, so that a fresh clone starts with one command. In production an operator
// creates the keys, and a process in production refuses to start with keys that this file has created.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/platform/clock.ts';
import { newKey } from './generate.ts';
import { instantOfName, nameOfInstant } from './name.ts';
import { writeNewFile } from './new-file.ts';

const SUFFIX = '-development';
// This file contains the name of the folder's first key. The file stays after that key has been removed, so that a
// process that starts slowly cannot choose another name.
const FIRST_KEY = '.first-key';
// The key is backdated, so that a replica whose clock is a little behind can sign at once.
const BACKDATED_MS = 60_000;

/**
 * Creates the folders `access/` and `refresh/` in `keysDir`, each with one key that signs at once, if they have no
 * *.pem. Processes that call this at the same moment get the same keys.
 */
export async function ensureDevelopmentKeys(keysDir: string, clock: Clock, passphrase?: string): Promise<void> {
  for (const use of ['access', 'refresh']) await ensureFirstKey(join(keysDir, use), clock, passphrase);
}

/** True for a key that a development machine has created by itself. */
export function isDevelopmentKey(key: { readonly file: string }): boolean {
  return /-development\.(pem|jwk)$/.test(key.file);
}

async function ensureFirstKey(directory: string, clock: Clock, passphrase: string | undefined): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  if (names.some((name) => name.endsWith('.pem') && !name.startsWith('.'))) return;
  const { kid, pem } = await newKey(2048, passphrase);
  await agreeOnFirstKey({ directory, clock, ending: '.pem', content: pem, token: kid });
}

/**
 * Writes the first key of a folder. If several processes do this, each with its own content, the folder gets the
 * content of exactly one. `token` is the name of the temporary file.
 */
export async function agreeOnFirstKey(proposed: {
  readonly directory: string;
  readonly clock: Clock;
  readonly ending: '.pem' | '.jwk';
  readonly content: string | Buffer;
  readonly token: string;
}): Promise<void> {
  const { directory, clock, ending, content, token } = proposed;
  const proposal = nameOfInstant(new Date(clock.now().getTime() - BACKDATED_MS), SUFFIX, ending);
  // There are two steps, and each succeeds in exactly one process. The first step fixes the name, because clocks
  // differ. The second step writes the key.
  await writeNewFile(directory, [FIRST_KEY], proposal, token);
  const agreed = (await readFile(join(directory, FIRST_KEY), 'utf8')).trim();
  if ('reason' in instantOfName(agreed, ending) || agreed.includes('/'))
    throw new Error(`${join(directory, FIRST_KEY)} does not name a key file`);
  await writeNewFile(directory, [agreed], content, token);
}
