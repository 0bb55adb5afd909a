// The key files of one folder (or one single file) and the key in each file. The keys are remembered between two
// readings, so that only changed files are opened, except at a thorough reading. live-ring.ts acts on a change.
import { createHash } from 'node:crypto';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, isRefusal, parseKey, type RingKey, readBounded } from './file.ts';
import { compareNames, instantOfName } from './name.ts';

// A ring has a handful of keys. A folder with thousands of entries is a mistake, and must not be read in full twice a
// second.
const ENTRIES_MAX = 256;
// These errors are temporary: the machine lacks a resource for a moment. Dropping every key because of such an error
// would cause an outage.
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EINTR', 'ESTALE', 'ETIMEDOUT']);

export type KeySource = { readonly directory: string } | { readonly file: string };

export interface RefusedFile {
  readonly file: string;
  readonly reason: string;
  /** False if the previous reading already refused the file with the same content for the same reason. */
  readonly fresh: boolean;
}

export interface FolderContents {
  readonly keys: readonly RingKey[];
  readonly refused: readonly RefusedFile[];
  /** Why the folder cannot be listed completely, or that the single file does not exist. */
  readonly problem?: string;
}

export interface KeyFolder {
  /**
   * Checks every file, and opens the changed ones, or all if `thorough`. Returns undefined if the machine cannot list
   * the folder now.
   */
  read(thorough: boolean): Promise<FolderContents | undefined>;
}

interface Entry {
  readonly name: string;
  readonly path: string;
  readonly instant: { readonly instant: Date } | { readonly reason: string };
}

interface Remembered {
  readonly state: string;
  readonly digest: string;
  readonly outcome: RingKey | { readonly reason: string };
}

/** Returns a reader that remembers keys. It reads no file before the first call of `read`. */
export function keyFolder(source: KeySource, passphrase?: string): KeyFolder {
  let memory = new Map<string, Remembered>();
  return {
    async read(thorough) {
      const listed = await listEntries(source);
      if (listed === 'passing') return undefined;
      const next = new Map<string, Remembered>();
      const refused: RefusedFile[] = [];
      for (const entry of listed.entries) {
        const before = memory.get(entry.name);
        const now = await examine(entry, before, thorough, passphrase);
        if (!now) continue;
        next.set(entry.name, now);
        if (!isRefusal(now.outcome)) continue;
        refused.push({ file: entry.name, reason: now.outcome.reason, fresh: before?.outcome !== now.outcome });
      }
      memory = next;
      const keys = [...next.values()].flatMap(({ outcome }) => (isRefusal(outcome) ? [] : [outcome]));
      const problem = 'file' in source && next.size === 0 ? 'the file does not exist' : listed.problem;
      return { keys, refused, ...(problem === undefined ? {} : { problem }) };
    },
  };
}

async function listEntries(source: KeySource): Promise<{ entries: Entry[]; problem?: string } | 'passing'> {
  if ('file' in source) {
    const { file } = source;
    return { entries: [{ name: basename(file), path: file, instant: { instant: new Date(0) } }] };
  }
  try {
    // A leading dot marks unfinished files, and the inner folders of a secret that Kubernetes mounts.
    const names = (await readdir(source.directory)).filter((name) => !name.startsWith('.')).sort(compareNames);
    const entries = names.slice(-ENTRIES_MAX).map((name) => {
      return { name, path: join(source.directory, name), instant: instantOfName(name) };
    });
    const problem = `it has ${names.length} entries, of which only the last ${ENTRIES_MAX} by name are read`;
    return names.length > ENTRIES_MAX ? { entries, problem } : { entries };
  } catch (error) {
    const code = errorCode(error);
    if (PASSING.has(code)) return 'passing';
    return {
      entries: [],
      problem: code === 'ENOENT' ? 'the folder does not exist' : `the folder cannot be read (${code})`,
    };
  }
}

async function examine(
  entry: Entry,
  before: Remembered | undefined,
  thorough: boolean,
  passphrase: string | undefined,
): Promise<Remembered | undefined> {
  if (isRefusal(entry.instant)) return before ?? { state: '', digest: '', outcome: entry.instant };
  // The state is read before the bytes: a write in between then counts as a change at the next reading.
  const state = await fileState(entry.path);
  if (state === 'gone') return undefined;
  if (before && (PASSING.has(state) || (before.state === state && !thorough))) return before;
  const read = await readBounded(entry.path);
  if ('reason' in read) {
    const passing = PASSING.has(read.code ?? '');
    if (before && passing) return before;
    // Without a state the file counts as changed at the next reading.
    return {
      state: passing ? '' : state,
      digest: '',
      outcome: sameReason(before, read.reason) ?? { reason: read.reason },
    };
  }
  const digest = createHash('sha256').update(read.bytes).digest('base64');
  if (before?.digest === digest) return { ...before, state };
  const about = { file: entry.name, activeFrom: entry.instant.instant, passphrase };
  return { state, digest, outcome: await parseKey(read.bytes, about) };
}

async function fileState(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    const code = errorCode(error);
    // If the name no longer exists, the file was deleted. If the name exists, it is a symbolic link whose target is
    // missing.
    const there = code !== 'ENOENT' || (await lstat(path).catch(() => undefined)) !== undefined;
    return there ? code : 'gone';
  }
}

function sameReason(before: Remembered | undefined, reason: string): { readonly reason: string } | undefined {
  return before && isRefusal(before.outcome) && before.outcome.reason === reason ? before.outcome : undefined;
}
