// The data key files of a folder: `<instant>Z.jwk` for each data key, and `lookup.jwk`. The instant is the time from
// which the key seals. Every reading reads all key files, but parses and decrypts only those that have changed.
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataKey } from '../../base/secrets/sealing.ts';
import { errorCode, isRefusal, type Refusal, readBounded } from '../keys/file.ts';
import { compareNames, instantOfName } from '../keys/name.ts';
import { type DataKeyPurpose, parseDataKey } from './file.ts';

export const ENDING = '.jwk';
export const LOOKUP_FILE = `lookup${ENDING}`;
const ENTRIES_MAX = 1_000;

/** A data key with its file. */
export interface FiledKey extends DataKey {
  readonly file: string;
  readonly activeFrom: Date;
}

export interface DataFolderContents {
  /** Oldest first. Of keys with the same instant, the later name counts as newer. */
  readonly keys: readonly FiledKey[];
  readonly lookup: DataKey | undefined;
  readonly refused: readonly { readonly file: string; readonly reason: string }[];
}

export interface DataKeyFolder {
  /**
   * Reads every file whose name does not begin with a dot. Raises an error if the folder exists and cannot be listed,
   * or has too many entries.
   */
  read(): Promise<DataFolderContents>;
}

/** Opens a folder. A missing folder has no keys. */
export function dataKeyFolder(directory: string, passphrase: string | undefined): DataKeyFolder {
  let memory = new Map<string, { readonly digest: string; readonly outcome: DataKey | Refusal }>();

  async function examine(name: string): Promise<DataKey | Refusal> {
    const read = await readBounded(join(directory, name));
    if ('reason' in read) return { reason: read.reason };
    const digest = createHash('sha256').update(read.bytes).digest('base64');
    const known = memory.get(name);
    if (known?.digest === digest) return known.outcome;
    const purpose: DataKeyPurpose = name === LOOKUP_FILE ? 'HS256' : 'A256GCM';
    const outcome = await parseDataKey(read.bytes, purpose, passphrase);
    memory.set(name, { digest, outcome });
    return outcome;
  }

  return {
    async read() {
      const names = await namesIn(directory);
      memory = new Map([...memory].filter(([name]) => names.includes(name)));
      const keys: FiledKey[] = [];
      const refused: { file: string; reason: string }[] = [];
      let lookup: DataKey | undefined;
      for (const name of names) {
        const instant = name === LOOKUP_FILE ? { instant: new Date(0) } : instantOfName(name, ENDING);
        const outcome = isRefusal(instant) ? instant : await examine(name);
        if (isRefusal(outcome)) refused.push({ file: name, reason: outcome.reason });
        else if (name === LOOKUP_FILE) lookup = outcome;
        else if ('instant' in instant) keys.push({ ...outcome, file: name, activeFrom: instant.instant });
      }
      keys.sort((a, b) => a.activeFrom.getTime() - b.activeFrom.getTime() || compareNames(a.file, b.file));
      const unique = withoutRepeated(keys, refused);
      return { keys: unique, lookup, refused };
    },
  };
}

/** The key that seals at `at`; undefined if none may seal yet. `keys` are sorted, the oldest first. */
export function sealingKeyOf(keys: readonly FiledKey[], at: Date): FiledKey | undefined {
  return keys.findLast(({ activeFrom }) => activeFrom.getTime() <= at.getTime());
}

// A sealed value names its key by this id, so no two keys may have the same id.
function withoutRepeated(keys: readonly FiledKey[], refused: { file: string; reason: string }[]): FiledKey[] {
  const first = new Map<string, FiledKey>();
  for (const key of keys) {
    const known = first.get(key.id);
    if (known) refused.push({ file: key.file, reason: `it has the id ${key.id} of the key in ${known.file}` });
    else first.set(key.id, key);
  }
  return [...first.values()];
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => !name.startsWith('.')).sort(compareNames);
    if (names.length > ENTRIES_MAX) throw new Error(`${directory} has more than ${ENTRIES_MAX} entries`);
    return names;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
