// The commands of `tenantry keys` that are about personal data and its keys. keys.ts adds the commands that signing
// keys have, too.
import { join } from 'node:path';
import type { Command } from 'commander';
import { finishSealing } from '../admin/personal-data/finish.ts';
import { countRows, hasClearValues, readSealing } from '../admin/personal-data/finish-store.ts';
import { readAll } from '../admin/personal-data/read-all.ts';
import { countSealed, reseal } from '../admin/personal-data/reseal.ts';
import type { Config } from '../base/config/config.ts';
import { systemClock } from '../base/platform/clock.ts';
import { systemRandom } from '../base/platform/random.ts';
import {
  type DataFolderOptions,
  generateDataKeys,
  listDataKeys,
  pruneDataKeys,
  rotateDataKey,
} from '../credentials/data-keys/lifecycle.ts';
import { readPersonalPhase } from '../credentials/data-keys/phase.ts';
import { act, leaf, type Outcome } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { type Operator, withOperator } from './line/operator.ts';
import { confirm, showProgress } from './line/terminal.ts';

/** What one command says about the folder. */
export interface DataKeysAnswer {
  readonly data: readonly object[];
  readonly lines: readonly string[];
}

/** What everybody who sees the folder should know. */
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

export async function pruneData(invocation: Invocation): Promise<DataKeysAnswer> {
  return withOperator(invocation, async (operator) => {
    await assertFolderOf(operator);
    const used = await countSealed(operator);
    const folder = dataFolderOf(operator.config);
    const { removed, kept, settling } = await pruneDataKeys(folder, (id) => used.has(id));
    const lines = [
      removed.length === 0 ? 'data: nothing to remove' : `data: removed ${removed.join(', ')}`,
      ...kept.map((file) => `data: kept ${file}, because rows are sealed with it: run tenantry keys reseal`),
      ...settling.map(({ file, until }) => {
        return `data: kept ${file}, because it sealed a moment ago: run this again after ${until.toISOString()}`;
      }),
    ];
    return { data: [{ use: 'data', removed, kept, settling }], lines };
  });
}

/**
 * Checks that the lookup key of this folder belongs to the database, because the rows of another database say nothing
 * about the keys of this folder. Raises DataKeysRefused and DataKeyMissing.
 */
async function assertFolderOf({ db, dataKeys }: Operator): Promise<void> {
  dataKeys.lookupKey();
  await readPersonalPhase({ db, keys: dataKeys });
}

interface Confirmed {
  readonly yes?: true;
}

const SEALING =
  'From now on nothing is stored unsealed, and a service of the previous version fails: continue only if none runs any more.';

/** Adds the commands that change rows. */
export function sealingCommands(keys: Command, invocation: Invocation): void {
  leaf(keys, 'seal', 'End the update to sealed personal data: store nothing unsealed any more')
    .option('--yes', 'do not ask for confirmation')
    .action(act<Confirmed>(invocation, sealAll));
  leaf(keys, 'reseal', 'Seal personal data again with the newest data key, so that older keys can be removed').action(
    act(invocation, resealAll),
  );
}

async function sealAll(invocation: Invocation, { yes }: Confirmed): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { phase } = await readSealing(operator.db.systemReader({ bulk: true }));
    if (phase === 'sealed' && !(await readAll(operator, hasClearValues))) {
      return { document: { data: { sealed: true, emptied: 0 } }, text: 'Nothing is stored unsealed.' };
    }
    if (phase === 'expanding') await confirm(invocation, SEALING, yes);
    // Every row is read once to empty it, and every unsealed row once to seal it.
    const progress = showProgress(invocation, 'sealing', await readAll(operator, countRows));
    let done = 0;
    try {
      const emptied = await finishSealing(operator, {
        onRows(rows) {
          done += rows;
          progress.at(done);
        },
      });
      const text = `Personal data is sealed. ${emptied} rows had unsealed values. Old copies of these rows are in the files of PostgreSQL until you run VACUUM FULL on users, sessions, invitations and outbox, and in older backups.`;
      return { document: { data: { sealed: true, emptied } }, text };
    } finally {
      progress.end();
    }
  });
}

async function resealAll(invocation: Invocation): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const { id } = operator.dataKeys.sealingKey();
    const totals = await countSealed(operator);
    const others = [...totals].reduce((sum, [keyId, total]) => (keyId === id ? sum : sum + total), 0);
    const progress = showProgress(invocation, 'resealing', others);
    let done = 0;
    try {
      const changed = await reseal(operator, (values) => {
        done += values;
        progress.at(done);
      });
      const text = changed === 0 ? `Everything is sealed with ${id}.` : `${changed} values are sealed with ${id} now.`;
      return { document: { data: { key: id, changed } }, text };
    } finally {
      progress.end();
    }
  });
}
