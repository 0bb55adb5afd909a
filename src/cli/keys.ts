// The command `tenantry keys` creates, lists, replaces and removes signing keys and data keys. It changes the files in
// KEYS_DIR, and a running service notices the change. A revocation is also recorded in the database.
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../base/config/config.ts';
import { accessKeyRetention } from '../base/config/derived.ts';
import { systemClock } from '../base/platform/clock.ts';
import { type DataFolderOptions, listDataKeys } from '../credentials/data-keys/lifecycle.ts';
import { isKidShaped, type KeyBits } from '../credentials/keys/generate.ts';
import {
  type KeyFolderOptions,
  type ListedKey,
  listKeys,
  pruneKeys,
  revokeKey,
  rotateKey,
} from '../credentials/keys/lifecycle.ts';
import { revokeSigningKey } from '../credentials/revocations/revoke-key.ts';
import {
  type DataKeysAnswer,
  dataFolderOf,
  generateData,
  listData,
  pruneData,
  rotateData,
  sealingCommands,
} from './data-keys.ts';
import { act, group, leaf, type Outcome } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration } from './line/operator.ts';
import { CommandRefused } from './line/refusal.ts';
import { confirm } from './line/terminal.ts';
import { findRevokedKeys, withOperatorIfAny } from './revoked-keys.ts';

type SigningUse = 'access' | 'refresh';
type Use = SigningUse | 'data';

const SIGNING: readonly SigningUse[] = ['access', 'refresh'];
const ALL: readonly Use[] = [...SIGNING, 'data'];

interface Options {
  readonly use?: Use;
  readonly bits?: string;
  readonly yes?: true;
  readonly removed?: true;
}

/** The folder of the keys for one use, with the settings for its keys. */
export function keyFolderOf(config: Config, use: SigningUse): KeyFolderOptions {
  return {
    directory: join(config.KEYS_DIR, use),
    retentionSeconds: use === 'access' ? accessKeyRetention(config) : config.REFRESH_TOKEN_TTL,
    clock: systemClock,
    passphrase: config.KEYS_PASSPHRASE,
  };
}

/** Adds the commands. */
export function keysCommands(program: Command, invocation: Invocation): void {
  const keys = group(program, 'keys', 'The keys in KEYS_DIR: for access and refresh tokens, and for personal data');
  const use = (among: readonly Use[] = ALL, byDefault = 'all by default') =>
    new Option('--use <use>', `only the keys for this use; ${byDefault}`).choices([...among]);
  const bits = () => new Option('--bits <bits>', 'the length of the key').choices(['2048', '3072', '4096']);
  leaf(keys, 'list', 'List every key with its state, every refused file with its reason, and every revoked key')
    .addOption(use())
    .action(act<Options>(invocation, list));
  leaf(keys, 'generate', 'Make a key that signs or seals at once, in each folder without a key')
    .addOption(use())
    .addOption(bits())
    .action(
      act<Options>(invocation, (_, options) =>
        inEach(invocation, usesOf(options.use, ALL), {
          signing: (use, folder) => generate(use, folder, bitsOf(options)),
          data: generateData,
        }),
      ),
    );
  leaf(keys, 'rotate', 'Make a new key that signs or seals in ten minutes')
    .addOption(use(ALL, 'access and refresh by default'))
    .addOption(bits())
    .action(
      act<Options>(invocation, (_, options) =>
        inEach(invocation, usesOf(options.use, SIGNING), {
          signing: (use, folder) => rotate(use, folder, bitsOf(options)),
          data: rotateData,
        }),
      ),
    );
  leaf(keys, 'prune', 'Remove the keys whose tokens have all expired, or that no row needs any more')
    .addOption(use(ALL, 'access and refresh by default'))
    .action(
      act<Options>(invocation, (_, { use }) =>
        inEach(invocation, usesOf(use, SIGNING), { signing: prune, data: () => pruneData(invocation) }),
      ),
    );
  leaf(keys, 'revoke <kid>', 'Remove a key; every token that it signed is refused from now on')
    .addOption(use())
    .option('--removed', 'even when no file contains the key')
    .option('--yes', 'do not ask for confirmation')
    .action(act<Options>(invocation, revoke));
  sealingCommands(keys, invocation);
}

type Answer = DataKeysAnswer;

interface Work {
  readonly signing: (use: SigningUse, folder: KeyFolderOptions) => Promise<Answer>;
  readonly data?: (folder: DataFolderOptions) => Promise<Answer>;
}

async function inEach(
  invocation: Invocation,
  uses: readonly Use[],
  { signing, data: ofData }: Work,
): Promise<Answer & Outcome> {
  const config = configuration(invocation);
  const answers: Answer[] = [];
  for (const use of uses) {
    if (use !== 'data') answers.push(await signing(use, keyFolderOf(config, use)));
    else if (ofData) answers.push(await ofData(dataFolderOf(config)));
  }
  const [data, lines] = [answers.flatMap((one) => one.data), answers.flatMap((one) => one.lines)];
  return { data, lines, document: { data }, text: lines.join('\n') };
}

function usesOf<Among extends Use>(wanted: Use | undefined, among: readonly Among[]): readonly Use[] {
  return wanted === undefined ? among : [wanted];
}

function bitsOf({ bits }: Options): KeyBits | undefined {
  return ([2048, 3072, 4096] as const).find((size) => String(size) === bits);
}

async function list(invocation: Invocation, options: Options): Promise<Outcome> {
  const asked = await findRevokedKeys(invocation, configuration(invocation));
  const revokedAt = new Map('found' in asked ? asked.found.map((key) => [key.kid, key.revokedAt]) : []);
  const gone = new Map(revokedAt);
  const wanted = usesOf(options.use, ALL);
  const listSigning = async (use: SigningUse, folder: KeyFolderOptions) => {
    const listed = await listKeys(folder, new Set(revokedAt.keys()));
    for (const { kid } of listed.keys) gone.delete(kid);
    return wanted.includes(use) ? listOne(use, listed, revokedAt) : { data: [], lines: [] };
  };
  // A revoked key may have its file in either folder, so both are read even if only one is listed.
  const files = await inEach(invocation, [...SIGNING, ...wanted.filter((use) => use === 'data')], {
    signing: listSigning,
    data: listData,
  });
  const unknown = 'unknown' in asked ? asked.unknown : null;
  // A key without a file may have been of either use.
  const data = [...gone].map(([kid, at]) => ({ use: null, kid, state: 'revoked', file: null, revokedAt: at }));
  const lines = [...gone].map(([kid, at]) => `revoked: ${kid}, since ${at.toISOString()}, no file here`);
  if (unknown !== null) lines.push(`revoked: not known, because the database cannot be read: ${unknown}`);
  return {
    document: { data: [...files.data, ...data], meta: { revokedUnknown: unknown } },
    text: [...files.lines, ...lines].join('\n'),
  };
}

function listOne(
  use: SigningUse,
  { keys, refused }: Awaited<ReturnType<typeof listKeys>>,
  revokedAt: ReadonlyMap<string, Date>,
): Answer {
  const none = keys.length + refused.length === 0 ? [`${use}: no key`] : [];
  return {
    data: [
      ...keys.map((key) => ({ use, ...key, revokedAt: revokedAt.get(key.kid) })),
      ...refused.map((file) => ({ use, state: 'refused', ...file })),
    ],
    lines: [
      ...none,
      ...keys.map((key) => `${use}: ${describe(key, revokedAt.get(key.kid))}`),
      ...refused.map(({ file, reason }) => `${use}: refused ${JSON.stringify(file)}: ${reason}`),
    ],
  };
}

function describe({ kid, state, bits, activeFrom, verifiesUntil, file }: ListedKey, revokedAt?: Date): string {
  if (revokedAt) {
    return `${kid} revoked, since ${revokedAt.toISOString()}: no service uses its file (${file}), which tenantry keys revoke ${kid} removes`;
  }
  const until = verifiesUntil ? `, verifies until ${verifiesUntil.toISOString()}` : '';
  return `${kid} ${state}, ${bits} bits, from ${activeFrom.toISOString()}${until} (${file})`;
}

async function rotate(use: SigningUse, folder: KeyFolderOptions, bits: KeyBits | undefined): Promise<Answer> {
  const made = await rotateKey(folder, { bits });
  const line = `${use}: made ${made.kid}, which signs from ${made.activeFrom.toISOString()} (${made.file})`;
  return { data: [{ use, made }], lines: [line] };
}

async function generate(use: SigningUse, folder: KeyFolderOptions, bits: KeyBits | undefined): Promise<Answer> {
  const { keys } = await listKeys(folder);
  if (keys.length === 0) return rotate(use, folder, bits);
  return { data: [{ use, made: null }], lines: [`${use}: already has a key; use rotate for a new one`] };
}

async function prune(use: SigningUse, folder: KeyFolderOptions): Promise<Answer> {
  const { removed } = await pruneKeys(folder);
  const line = removed.length === 0 ? `${use}: nothing to remove` : `${use}: removed ${removed.join(', ')}`;
  return { data: [{ use, removed }], lines: [line] };
}

async function revoke(invocation: Invocation, options: Options, kid: string): Promise<Outcome> {
  const config = configuration(invocation);
  await refuseDataKey(config, options.use, kid);
  // The key may be in either of the two folders.
  for (const use of SIGNING.filter((each) => options.use === undefined || each === options.use)) {
    const folder = keyFolderOf(config, use);
    if (!(await listKeys(folder)).keys.some((key) => key.kid === kid)) continue;
    await confirm(invocation, `Every token that the ${use} key ${kid} signed will be refused.`, options.yes);
    const { removed, replacement } = await revokeKey(folder, kid);
    const made = replacement ? `; made ${replacement.kid}, which signs at once` : '';
    const failure = await recordRevocation(invocation, config, kid);
    return {
      document: { data: { use, removed, made: replacement ?? null, recorded: failure === null } },
      text: `${use}: removed ${removed.join(', ')}${made}\n${failure === null ? RECORDED : unrecorded(kid, failure)}`,
    };
  }
  if (options.removed === true && isKidShaped(kid)) return await revokeRemoved(invocation, options, kid);
  throw new CommandRefused(
    'unknown_key',
    `No usable key file below ${config.KEYS_DIR} has the key ${kid}: see tenantry keys list`,
  );
}

/** Raises CommandRefused for a data key: without the key, nobody could open what it has sealed. */
async function refuseDataKey(config: Config, use: Use | undefined, id: string): Promise<void> {
  const isDataKey = use === 'data' || (await listDataKeys(dataFolderOf(config))).keys.some((key) => key.id === id);
  if (!isDataKey) return;
  throw new CommandRefused(
    'data_key',
    'A data key cannot be revoked, because nobody could read what it has sealed: run tenantry keys rotate --use data, which makes another one, then tenantry keys reseal and tenantry keys prune --use data',
  );
}

const RECORDED = 'Services, verifiers and sidecars refuse the tokens of the revoked key within two seconds.';

function unrecorded(kid: string, reason: string): string {
  return [
    `The revocation is not in the database: ${reason}.`,
    'A running service records the revocation of an access key by itself as soon as it notices that the file is gone.',
    `If none runs, run tenantry keys revoke ${kid} --removed when the database can be reached.`,
  ].join('\n');
}

/**
 * Records the revocation for all processes, including those that do not run now. Returns null, or the reason why the
 * database could not be used.
 */
async function recordRevocation(invocation: Invocation, config: Config, kid: string): Promise<string | null> {
  const done = await withOperatorIfAny(invocation, config, (operator) => revokeSigningKey(operator, kid));
  return 'unknown' in done ? done.unknown : null;
}

/** Revokes a key whose file is already deleted. Raises `unrecorded` if the database cannot be reached. */
async function revokeRemoved(invocation: Invocation, { yes }: Options, kid: string): Promise<Outcome> {
  await confirm(invocation, `Every token that the key ${kid} signed will be refused.`, yes);
  const failure = await recordRevocation(invocation, configuration(invocation), kid);
  if (failure !== null) throw new CommandRefused('unrecorded', `The revocation is not in the database: ${failure}`);
  return { document: { data: { use: null, removed: [], made: null, recorded: true } }, text: RECORDED };
}
