// The part of `tenantry keys` for the keys of personal data. keys.ts adds the commands.
import { join } from 'node:path';
import type { Config } from '../base/config/config.ts';
import { systemClock } from '../base/platform/clock.ts';
import { systemRandom } from '../base/platform/random.ts';
import {
  type DataFolderOptions,
  generateDataKeys,
  listDataKeys,
  rotateDataKey,
} from '../credentials/data-keys/lifecycle.ts';

/** What one command says about the folder. */
export interface DataKeysAnswer {
  readonly data: readonly object[];
  readonly lines: readonly string[];
}

/** What everybody should know who sees the folder. */
export const KEEP_DATA_KEYS =
  'without these files nobody can read the personal data in the database: keep a copy, apart from the backups of the database';
const KEEP = `data: ${KEEP_DATA_KEYS}`;

export function dataFolderOf(config: Config): DataFolderOptions {
  const directory = join(config.KEYS_DIR, 'data');
  return { directory, clock: systemClock, random: systemRandom, passphrase: config.KEYS_PASSPHRASE };
}

export async function listData(folder: DataFolderOptions): Promise<DataKeysAnswer> {
  const { keys, hasLookup, refused } = await listDataKeys(folder);
  const isEmpty = keys.length + refused.length === 0 && !hasLookup;
  return {
    data: [
      ...keys.map((key) => ({ use: 'data', ...key })),
      ...(hasLookup ? [{ use: 'data', state: 'lookup', file: 'lookup.jwk' }] : []),
      ...refused.map((file) => ({ use: 'data', state: 'refused', ...file })),
    ],
    lines: [
      ...(isEmpty ? ['data: no key'] : []),
      ...keys.map(({ id, state, activeFrom, file }) => {
        return `data: ${id} ${state}, from ${activeFrom.toISOString()} (${file})`;
      }),
      ...(hasLookup ? ['data: lookup key, never rotated (lookup.jwk)'] : []),
      ...refused.map(({ file, reason }) => `data: refused ${JSON.stringify(file)}: ${reason}`),
      ...(isEmpty ? [] : [KEEP]),
    ],
  };
}

export async function generateData(folder: DataFolderOptions): Promise<DataKeysAnswer> {
  const made = await generateDataKeys(folder);
  if (made.length === 0) return { data: [{ use: 'data', made: null }], lines: ['data: already has its keys'] };
  return { data: [{ use: 'data', made }], lines: [`data: made ${made.join(' and ')}`, KEEP] };
}

export async function rotateData(folder: DataFolderOptions): Promise<DataKeysAnswer> {
  const made = await rotateDataKey(folder);
  const line = `data: made ${made.file}, which seals from ${made.activeFrom.toISOString()}`;
  return { data: [{ use: 'data', made }], lines: [line] };
}
