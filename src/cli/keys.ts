// The life cycle of signing keys from a terminal: `npm run keys -- list|generate|rotate|prune|revoke <kid>`. It works
// on the folder of KEYS_DIR; a running service notices by itself.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { accessKeyRetention, type Config, ConfigRefused, readConfig } from '../config.ts';
import type { KeyBits } from '../keys/generate.ts';
import { type KeyFolderOptions, listKeys, pruneKeys, revokeKey, rotateKey } from '../keys/lifecycle.ts';
import { systemClock } from '../platform/clock.ts';

const USAGE = `usage: npm run keys -- <command> [--use access|refresh] [--bits 2048|3072|4096]

  list           every key with its state, and every refused file with its reason
  generate       a key for each folder that has none; it signs at once
  rotate         a new key that signs in ten minutes
  prune          removes keys that nothing can still be verified with
  revoke <kid>   removes a key: what it signed is refused from now on

Without --use a command is for both folders. KEYS_DIR names where they are (default .data/keys).`;

type Use = 'access' | 'refresh';

function folderOf(config: Config, use: Use): KeyFolderOptions {
  return {
    directory: join(config.KEYS_DIR, use),
    retentionSeconds: use === 'access' ? accessKeyRetention(config) : config.REFRESH_TOKEN_TTL,
    clock: systemClock,
    passphrase: config.KEYS_PASSPHRASE,
  };
}

async function list(use: Use, folder: KeyFolderOptions): Promise<void> {
  const { keys, refused } = await listKeys(folder);
  if (keys.length + refused.length === 0) console.log(`${use}: no key`);
  for (const key of keys) {
    const until = key.verifiesUntil ? `, verifies until ${key.verifiesUntil.toISOString()}` : '';
    console.log(
      `${use}: ${key.kid} ${key.state}, ${key.bits} bits, from ${key.activeFrom.toISOString()}${until} (${key.file})`,
    );
  }
  for (const { file, reason } of refused) console.log(`${use}: refused ${JSON.stringify(file)}: ${reason}`);
}

async function rotate(use: Use, folder: KeyFolderOptions, bits: KeyBits | undefined): Promise<void> {
  const made = await rotateKey(folder, { bits });
  console.log(`${use}: made ${made.kid}, which signs from ${made.activeFrom.toISOString()} (${made.file})`);
}

async function generate(use: Use, folder: KeyFolderOptions, bits: KeyBits | undefined): Promise<void> {
  const { keys } = await listKeys(folder);
  if (keys.length > 0) console.log(`${use}: has a key already; use rotate for a further one`);
  else await rotate(use, folder, bits);
}

async function prune(use: Use, folder: KeyFolderOptions): Promise<void> {
  const { removed } = await pruneKeys(folder);
  console.log(removed.length === 0 ? `${use}: nothing to remove` : `${use}: removed ${removed.join(', ')}`);
}

async function revoke(use: Use, folder: KeyFolderOptions, kid: string): Promise<void> {
  const { removed, replacement } = await revokeKey(folder, kid);
  console.log(
    `${use}: removed ${removed.join(', ')}${replacement ? `; made ${replacement.kid}, which signs at once` : ''}`,
  );
}

async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { use: { type: 'string' }, bits: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  const [command, kid] = positionals;
  const uses = (['access', 'refresh'] as const).filter((use) => values.use === undefined || values.use === use);
  const bits = [2048, 3072, 4096].find((size) => String(size) === values.bits) as KeyBits | undefined;
  if (values.help) return console.log(USAGE);
  if (uses.length === 0 || (values.bits !== undefined && bits === undefined)) throw new TypeError(USAGE);
  const config = readConfig(process.env);
  if (command === 'revoke') {
    if (!kid) throw new TypeError(USAGE);
    // A key belongs to one folder: the one that knows it.
    for (const use of uses) {
      const folder = folderOf(config, use);
      if ((await listKeys(folder)).keys.some((key) => key.kid === kid)) return revoke(use, folder, kid);
    }
    throw new TypeError(`No usable key file below ${config.KEYS_DIR} holds the key ${kid}: see npm run keys -- list`);
  }
  const commands = { list, generate, rotate, prune };
  if (command === undefined || !(command in commands)) throw new TypeError(USAGE);
  for (const use of uses) await commands[command as keyof typeof commands](use, folderOf(config, use), bits);
}

try {
  await run();
} catch (error) {
  console.error(error instanceof ConfigRefused ? error.problems.join('\n') : (error as Error).message);
  process.exit(error instanceof TypeError ? 2 : 1);
}
