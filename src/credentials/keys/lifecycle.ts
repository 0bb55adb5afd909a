// What an operator does to a folder of keys: list, rotate, prune, revoke. Each of these except list adds or removes
// files, and the key rings of running processes follow these changes. The commands are in cli/.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../../base/errors/operator-error.ts';
import type { Clock } from '../../base/platform/clock.ts';
import type { RingKey } from './file.ts';
import { keyFolder, type RefusedFile } from './folder.ts';
import { type GeneratedKey, generateKeyFile, type KeyBits } from './generate.ts';
import { isUnfinished, syncFolder } from './new-file.ts';
import { arrange, type DatedKey, signerAt, type Timeline, verifiesAt } from './timeline.ts';

/** With this lead, every cache of the published keys has the new key before that key signs. */
const LEAD_SECONDS_MIN = 600;
const UNFINISHED_SECONDS = 3600;

export interface KeyFolderOptions {
  readonly directory: string;
  readonly retentionSeconds: number;
  readonly clock: Clock;
  readonly passphrase?: string | undefined;
}

export interface ListedKey {
  readonly kid: string;
  readonly file: string;
  readonly bits: number;
  readonly activeFrom: Date;
  /**
   * `future`: is published but does not sign yet. `signing`: signs. `retiring`: only verifies. `retired`: may be
   * pruned. `revoked`: no service uses the file.
   */
  readonly state: 'future' | 'signing' | 'retiring' | 'retired' | 'revoked';
  /** Undefined while the key has no successor. */
  readonly verifiesUntil: Date | undefined;
}

/** No usable key file of the folder has the given kid. */
export class UnknownKey extends OperatorError {
  override readonly name = 'UnknownKey';
}

/**
 * The keys of a folder, oldest first, and the files that are refused. A missing folder has no keys. The files of keys
 * that were revoked come last, because services ignore them.
 */
export async function listKeys(
  folder: KeyFolderOptions,
  revoked: ReadonlySet<string> = NONE,
): Promise<{ keys: ListedKey[]; refused: Pick<RefusedFile, 'file' | 'reason'>[] }> {
  const { dated, refused, left } = await survey(folder, revoked);
  const now = folder.clock.now();
  const signer = signerAt(dated, now);
  const keys = dated.map((each): ListedKey => {
    const { kid, file, bits, activeFrom } = each.key;
    const verifiesUntil = Number.isFinite(each.verifiesUntil) ? new Date(each.verifiesUntil) : undefined;
    return { kid, file, bits, activeFrom, state: stateOf(each, signer, now), verifiesUntil };
  });
  for (const { kid, file, bits, activeFrom } of left) {
    keys.push({ kid, file, bits, activeFrom, state: 'revoked', verifiesUntil: undefined });
  }
  return { keys, refused: refused.map(({ file, reason }) => ({ file, reason })) };
}

const NONE: ReadonlySet<string> = new Set();

/**
 * Creates the next key. It signs after `leadSeconds`, or at once if no key can sign yet. The default of `leadSeconds`
 * is 600, and a lower value raises RangeError. Unless `bits` sets a length, the key is as long as the current key,
 * rounded up to 2048, 3072 or 4096 bits.
 */
export async function rotateKey(
  folder: KeyFolderOptions,
  options: { readonly leadSeconds?: number | undefined; readonly bits?: KeyBits | undefined } = {},
): Promise<GeneratedKey & { activeFrom: Date }> {
  const { leadSeconds = LEAD_SECONDS_MIN } = options;
  if (!(leadSeconds >= LEAD_SECONDS_MIN)) {
    throw new RangeError(
      `A new key needs a lead of at least ${LEAD_SECONDS_MIN} seconds, so that every cache has it in time`,
    );
  }
  const now = folder.clock.now();
  const signer = signerAt((await survey(folder)).dated, now);
  const bits = options.bits ?? (signer && lengthFor(signer.key));
  // Names have whole seconds. Rounding down lets an immediate key sign at once. Rounding up never shortens a lead.
  const seconds = signer ? Math.ceil(now.getTime() / 1000 + leadSeconds) : Math.floor(now.getTime() / 1000);
  return await make(folder, new Date(seconds * 1000), bits);
}

/**
 * Removes the files of retired keys, and files that a crash left unfinished at least an hour ago. Returns their names.
 */
export async function pruneKeys(folder: KeyFolderOptions): Promise<{ removed: string[] }> {
  const now = folder.clock.now();
  const { dated, repeated } = await survey(folder);
  const retired = new Set(dated.filter((each) => !verifiesAt(each, now)).map(({ key }) => key.kid));
  const files = [...dated.map(({ key }) => key), ...repeated]
    .filter(({ kid }) => retired.has(kid))
    .map(({ file }) => file);
  const removed = [...files, ...(await unfinished(folder, now))];
  await remove(folder.directory, removed);
  return { removed };
}

/**
 * Removes every file of a key, so that all tokens that the key signed are refused. Also removes retired keys. If no
 * other key could sign, a new key that signs at once is created first. Throws UnknownKey if no usable file has the key.
 */
export async function revokeKey(
  folder: KeyFolderOptions,
  kid: string,
): Promise<{ removed: string[]; replacement: (GeneratedKey & { activeFrom: Date }) | undefined }> {
  const now = folder.clock.now();
  const { dated, repeated } = await survey(folder);
  const revoked = dated.find(({ key }) => key.kid === kid);
  if (!revoked) throw new UnknownKey(`No usable key file in ${folder.directory} holds the key ${kid}`);
  const heirs = dated.filter((each) => each !== revoked && verifiesAt(each, now));
  const second = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const replacement = signerAt(heirs, now) ? undefined : await make(folder, second, lengthFor(revoked.key));
  // Without its successor, a retired key would verify again, and might even sign.
  const gone = new Set([kid, ...dated.filter((each) => !verifiesAt(each, now)).map(({ key }) => key.kid)]);
  const removed = [...dated.map(({ key }) => key), ...repeated]
    .filter((key) => gone.has(key.kid))
    .map(({ file }) => file);
  await remove(folder.directory, removed);
  return { removed, replacement };
}

interface Survey extends Timeline {
  readonly refused: readonly RefusedFile[];
  /** The keys that were left out because they are revoked. */
  readonly left: readonly RingKey[];
}

async function survey(folder: KeyFolderOptions, revoked = NONE): Promise<Survey> {
  const contents = await keyFolder({ directory: folder.directory }, folder.passphrase).read(true);
  if (!contents) throw new Error(`${folder.directory} cannot be read at the moment`);
  const left = contents.keys.filter(({ kid }) => revoked.has(kid));
  const used = contents.keys.filter(({ kid }) => !revoked.has(kid));
  return { ...arrange(used, folder.retentionSeconds), refused: contents.refused, left };
}

async function make(folder: KeyFolderOptions, activeFrom: Date, bits: KeyBits | undefined) {
  const { directory, passphrase } = folder;
  return { ...(await generateKeyFile({ directory, activeFrom, bits, passphrase })), activeFrom };
}

function lengthFor({ bits }: RingKey): KeyBits {
  return ([2048, 3072, 4096] as const).find((length) => length >= bits) ?? 4096;
}

function stateOf(each: DatedKey, signer: DatedKey | undefined, now: Date): ListedKey['state'] {
  if (each === signer) return 'signing';
  if (each.key.activeFrom.getTime() > now.getTime()) return 'future';
  return verifiesAt(each, now) ? 'retiring' : 'retired';
}

async function unfinished({ directory }: KeyFolderOptions, now: Date): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const candidates = names.filter(isUnfinished);
  const ages = await Promise.all(
    candidates.map(async (name) => {
      const found = await stat(join(directory, name)).catch(() => undefined);
      return { name, seconds: found ? (now.getTime() - found.mtimeMs) / 1000 : 0 };
    }),
  );
  return ages.filter(({ seconds }) => seconds >= UNFINISHED_SECONDS).map(({ name }) => name);
}

async function remove(directory: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(directory, name), { force: true });
  if (names.length > 0) await syncFolder(directory);
}
