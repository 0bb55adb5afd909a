// Opens key rings at the start of the process. Raises an error if a ring has no key that can sign, or if two rings
// share a key. live-ring.ts is a ring that has been opened.
import { OperatorError } from '../../base/errors/operator-error.ts';
import type { RingKey } from './file.ts';
import { type FolderContents, type KeySource, keyFolder } from './folder.ts';
import { type KeyRing, type KeyRingOptions, LiveRing } from './live-ring.ts';

export type { RingKey } from './file.ts';
export { type KeyRing, type KeyRingOptions, type KeyUse, NoSigningKey } from './live-ring.ts';

/**
 * Raised when a ring is opened that has no key that can sign. The message names the folder, the remedy and every
 * refused file.
 */
export class KeyRingEmpty extends OperatorError {
  override readonly name = 'KeyRingEmpty';
}

/** Raised when two rings share a key. */
export class SharedKey extends OperatorError {
  override readonly name = 'SharedKey';
}

/** Opens a ring and keeps it up to date with its files. Throws KeyRingEmpty if no key can sign now. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { directory, file } = options;
  if ((directory === undefined) === (file === undefined))
    throw new TypeError('A key ring has either a folder or a file');
  const source: KeySource = file === undefined ? { directory: directory ?? '' } : { file };
  const ring = new LiveRing(options, keyFolder(source, options.passphrase));
  const contents = await ring.open();
  try {
    ring.signingKeyAt(options.clock.now());
  } catch {
    throw new KeyRingEmpty(emptyMessage(options, ring.keys(), contents));
  }
  ring.watch();
  return ring;
}

/**
 * Throws SharedKey, which names the kid, if the rings have a key in common. They must not, because the public half of
 * an access key is published, but the public half of a refresh key never is. After this call, each ring ignores the
 * keys of the other ring, so a copied file changes nothing.
 */
export function keepApart(a: KeyRing, b: KeyRing): void {
  const kids = new Set(a.keys().map(({ kid }) => kid));
  const shared = b.keys().find(({ kid }) => kids.has(kid));
  if (shared) throw new SharedKey(`Access and refresh tokens must not share a key, yet both rings hold ${shared.kid}`);
  a.excludeKeysOf(b);
  b.excludeKeysOf(a);
}

function emptyMessage(options: KeyRingOptions, keys: readonly RingKey[], contents: FolderContents | undefined): string {
  const [first] = keys;
  return [
    `No ${options.use} key can sign: looked in ${options.file ?? options.directory}.`,
    ...(contents ? [] : ['Problem: it cannot be read at the moment.']),
    ...(contents?.problem === undefined ? [] : [`Problem: ${contents.problem}.`]),
    ...(contents?.refused ?? []).map(({ file, reason }) => `Refused ${JSON.stringify(file)}: ${reason}.`),
    ...(first ? [`The earliest of ${keys.length} keys signs only from ${first.activeFrom.toISOString()} on.`] : []),
    options.file === undefined
      ? 'Make keys by `npm run keys -- generate`, or as keys.example/README.md shows.'
      : 'Put a PKCS#8 PEM of an RSA key of at least 2048 bits there.',
  ].join('\n');
}
