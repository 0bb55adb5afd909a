// The key files of one folder (or one single file) and what each of them holds, remembered between looks, so that
// only changed files are opened. What follows from a change is ring.ts' matter.
import { createHash } from 'node:crypto';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, isRefusal, parseKey, type RingKey, readBounded } from './file.ts';
import { compareNames, instantOfName } from './name.ts';

// A ring holds a handful of keys; a folder with thousands of entries is a mistake that must not cost time twice a second.
const ENTRIES_MAX = 256;
// The machine is short of something for a moment. Dropping every key for that would turn a hiccup into an outage.
const PASSING = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EINTR', 'ESTALE', 'ETIMEDOUT']);

export type KeySource = { readonly directory: string } | { readonly file: string };

export interface RefusedFile {
  readonly file: string;
  readonly reason: string;
  /** False when the same refusal was already given at an earlier look. */
  readonly fresh: boolean;
}

export interface Look {
  readonly keys: readonly RingKey[];
  readonly refused: readonly RefusedFile[];
  /** Why the folder itself gave no names. */
  readonly problem?: string;
}

export interface KeyFolder {
  /** Looks at every file; opens the changed ones, or all of them if `thorough`. Undefined if the machine cannot tell now. */
  look(thorough: boolean): Promise<Look | undefined>;
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

/** A reader that remembers: nothing is read before the first look. */
export function keyFolder(source: KeySource, passphrase?: string): KeyFolder {
  let memory = new Map<string, Remembered>();
  return {
    async look(thorough) {
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
    // A leading dot marks files that are still being written and the inner folders of Kubernetes' secret mounts.
    const names = (await readdir(source.directory)).filter((name) => !name.startsWith('.')).sort(compareNames);
    const entries = names.slice(-ENTRIES_MAX).map((name) => {
      return { name, path: join(source.directory, name), instant: instantOfName(name) };
    });
    const problem = `it holds ${names.length} entries, of which only the last ${ENTRIES_MAX} by name are looked at`;
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
  // The state is taken before the bytes: a write in between then shows as a change at the next look.
  const state = await fileState(entry.path);
  if (state === 'gone') return undefined;
  if (before && (PASSING.has(state) || (before.state === state && !thorough))) return before;
  const read = await readBounded(entry.path);
  if ('reason' in read) {
    const passing = PASSING.has(read.code ?? '');
    if (before && passing) return before;
    // Without a state the file counts as changed at the next look.
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
    // A name that is no longer there at all is a deleted file; one that is still there is a link to nothing.
    const there = code !== 'ENOENT' || (await lstat(path).catch(() => undefined)) !== undefined;
    return there ? code : 'gone';
  }
}

function sameReason(before: Remembered | undefined, reason: string): { readonly reason: string } | undefined {
  return before && isRefusal(before.outcome) && before.outcome.reason === reason ? before.outcome : undefined;
}
