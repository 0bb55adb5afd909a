// Opens key rings and guards their start. A ring at work is live-ring.ts' matter, tokens are tokens/'.
import { OperatorError } from '../../base/errors/operator-error.ts';
import type { RingKey } from './file.ts';
import { type KeySource, keyFolder, type Look } from './folder.ts';
import { type KeyRing, type KeyRingOptions, LiveRing } from './live-ring.ts';

export type { RingKey } from './file.ts';
export { type KeyRing, type KeyRingOptions, type KeyUse, NoSigningKey } from './live-ring.ts';

/** There is no key to start with; the message names the place, the cure and every refused file. */
export class KeyRingEmpty extends OperatorError {
  override readonly name = 'KeyRingEmpty';
}

/** Two rings share a key. */
export class SharedKey extends OperatorError {
  override readonly name = 'SharedKey';
}

/** Opens a ring and keeps it equal to its files. Throws KeyRingEmpty if no key can sign now. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { directory, file } = options;
  if ((directory === undefined) === (file === undefined))
    throw new TypeError('A key ring has either a folder or a file');
  const source: KeySource = file === undefined ? { directory: directory ?? '' } : { file };
  const ring = new LiveRing(options, keyFolder(source, options.passphrase));
  const look = await ring.open();
  try {
    ring.signingKeyAt(options.clock.now());
  } catch {
    throw new KeyRingEmpty(emptyMessage(options, ring.keys(), look));
  }
  ring.watch();
  return ring;
}

/**
 * Throws SharedKey, naming the kid, if the rings have a key in common: an access key's public half is published, a
 * refresh key's never. From then on each leaves aside what the other has held, so that a copied file changes nothing.
 */
export function keepApart(a: KeyRing, b: KeyRing): void {
  const kids = new Set(a.keys().map(({ kid }) => kid));
  const shared = b.keys().find(({ kid }) => kids.has(kid));
  if (shared) throw new SharedKey(`Access and refresh tokens must not share a key, yet both rings hold ${shared.kid}`);
  a.leaveAside(b);
  b.leaveAside(a);
}

function emptyMessage(options: KeyRingOptions, keys: readonly RingKey[], look: Look | undefined): string {
  const [first] = keys;
  return [
    `No ${options.use} key can sign: looked in ${options.file ?? options.directory}.`,
    ...(look ? [] : ['Problem: it cannot be read at the moment.']),
    ...(look?.problem === undefined ? [] : [`Problem: ${look.problem}.`]),
    ...(look?.refused ?? []).map(({ file, reason }) => `Refused ${JSON.stringify(file)}: ${reason}.`),
    ...(first ? [`The earliest of ${keys.length} keys signs from ${first.activeFrom.toISOString()} on only.`] : []),
    options.file === undefined
      ? 'Make keys by `npm run keys -- generate`, or as keys.example/README.md shows.'
      : 'Put a PKCS#8 PEM of an RSA key of at least 2048 bits there.',
  ].join('\n');
}
